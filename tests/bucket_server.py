"""A server of buckets for tests, and a proxy before it that cuts connections."""

import io
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
}


@contextmanager
def bucket_server() -> Iterator[str]:
    """Runs a server that speaks S3, and gives its address."""
    port = _free_port()
    command = [sys.executable, __file__, str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _serve(port: int) -> None:
    from moto.server import (
        DomainDispatcherApplication,
        create_backend_app,
    )
    from werkzeug.serving import run_simple

    buckets = DomainDispatcherApplication(create_backend_app)
    one_at_a_time = threading.Lock()

    def application(environ: dict[str, Any], start: Any) -> list[bytes]:
        # Between looking at a condition and writing, this server lets others in, as no real one
        # does. What is sent slowly, or cut, holds nobody up.
        # A request may be cut in its head, which then seems to have no body, or in its body. This
        # server would store what has come, as no real one does.
        length = int(environ.get("CONTENT_LENGTH") or -1)
        body = environ["wsgi.input"].read(max(length, 0))
        if len(body) < length or (length < 0 and environ["REQUEST_METHOD"] == "PUT"):
            start("400 Bad Request", [])
            return []
        environ["wsgi.input"] = io.BytesIO(body)
        with one_at_a_time:
            return list(buckets(environ, start))

    run_simple("127.0.0.1", port, application, threaded=True)


def make_bucket(address: str, name: str) -> None:
    """Makes an empty bucket."""
    request = urllib.request.Request(f"{address}/{name}", data=b"", method="PUT")
    urllib.request.urlopen(request, timeout=60).close()


class CuttingProxy:
    """Passes connections on, counts requests, and cuts some where it is told to.

    A connection is cut after a number of bytes, in one of the two directions, drawn at random: a
    request may be half sent, or be carried out without its answer arriving.
    """

    def __init__(self, address: str, seed: int = 0) -> None:
        self._target = ("127.0.0.1", int(address.rpartition(":")[2]))
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.num_requests = 0
        self.num_cut = 0
        self.requests: list[str] = []
        """First line of each."""
        self.cuts_left = 0
        """Connections that are still to be cut."""
        self.share = 0.2
        """Of the pieces that pass, while connections are to be cut."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self._listening.accept()
            except OSError:
                return
            try:
                theirs = socket.create_connection(self._target)
            except OSError:
                ours.close()
                continue
            for source, target, is_request in ((ours, theirs, True), (theirs, ours, False)):
                thread = threading.Thread(
                    target=self._pass_on, args=(source, target, is_request), daemon=True
                )
                thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(65_536):
                if is_request and piece.split(b" ", 1)[0] in _METHODS:
                    with self._lock:
                        self.num_requests += 1
                        self.requests.append(piece.split(b"\r\n", 1)[0].decode())
                if self._is_to_be_cut():
                    target.sendall(piece[: self._random.randrange(len(piece))])
                    break
                target.sendall(piece)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _is_to_be_cut(self) -> bool:
        with self._lock:
            if self.cuts_left <= 0 or self._random.random() > self.share:
                return False
            self.cuts_left -= 1
            self.num_cut += 1
            return True


_METHODS = {b"GET", b"HEAD", b"PUT", b"POST", b"DELETE"}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise TimeoutError("the server of buckets does not start")


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
