"""A real server on a real socket: what clients do who do not keep to HTTP."""

import http.client
import json
import os
import signal
import socket
import threading
import time
from contextlib import closing

import pytest
from search_stand_in import StandIn, record
from typer.testing import CliRunner

from search.cli import app
from search.serve import server as server_module
from search.serve.serve_settings import ServeSettings
from search.serve.server import serve
from seds_core.errors import UnavailableError

HEAD = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n"


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def ask(connection):
    """Sends a request, and reads the whole of its answer."""
    connection.sendall(HEAD + b"\r\n")
    received = b""
    while not received.endswith(b'{"status":"ok"}'):
        received += connection.recv(65536)
    assert received.startswith(b"HTTP/1.1 200")


def seconds_until_closed(connection):
    """How long the server keeps a connection, and what it sends before it closes."""
    began, received = time.monotonic(), b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return time.monotonic() - began, received


def is_alive(port):
    address = f"127.0.0.1:{port}"
    with closing(http.client.HTTPConnection(address, timeout=10)) as connection:
        connection.request("GET", "/api/health")
        return connection.getresponse().read() == b'{"status":"ok"}'


def test_a_head_that_does_not_come_is_not_waited_for(start_server, retriever):
    port = start_server(retriever, header_seconds=0.4)
    with connect(port) as silent, connect(port) as slow:
        slow.sendall(HEAD)

        def trickle():
            for _ in range(20):
                time.sleep(0.1)
                try:
                    slow.sendall(b"X-A: b\r\n")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        assert 0.2 < seconds_until_closed(silent)[0] < 2
        assert seconds_until_closed(slow) == (pytest.approx(0, abs=1.5), b"")
        thread.join()
    assert is_alive(port)


def test_nor_is_that_of_a_second_request(start_server, retriever):
    port = start_server(retriever, header_seconds=0.4, keep_alive_seconds=30.0)
    with connect(port) as connection:
        ask(connection)
        # Between requests it may be quiet for longer than that.
        time.sleep(0.8)
        ask(connection)
        connection.sendall(b"GET / HT")
        assert 0.2 < seconds_until_closed(connection)[0] < 2
    assert is_alive(port)


def test_a_body_that_stops_is_answered(start_server, retriever):
    port = start_server(retriever, stall_seconds=0.3)
    with connect(port) as connection:
        connection.sendall(
            b"POST /api/video HTTP/1.1\r\nHost: localhost\r\nContent-Type: video/mp4\r\n"
            b"Content-Length: 1000\r\n\r\nabc"
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408")
    assert is_alive(port)


def test_a_body_that_trickles_is_answered_in_the_end(start_server, retriever):
    port = start_server(retriever, stall_seconds=5.0, body_seconds=0.6)
    with connect(port) as connection:
        connection.sendall(
            b"POST /api/video HTTP/1.1\r\nHost: localhost\r\nContent-Type: video/mp4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(15):
            time.sleep(0.1)
            connection.sendall(b"1\r\na\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 408")
    assert is_alive(port)


def test_a_client_that_leaves_during_its_upload_leaves_nothing(
    start_server, retriever, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    port = start_server(retriever)
    with connect(port) as connection:
        connection.sendall(
            b"POST /api/video HTTP/1.1\r\nHost: localhost\r\nContent-Type: video/mp4\r\n"
            b"Content-Length: 1000\r\n\r\nabc"
        )
        wait_until(lambda: list(tmp_path.glob("seds-upload-*")))
    wait_until(lambda: not list(tmp_path.glob("seds-upload-*")))
    assert retriever.files_seen == []
    assert is_alive(port)


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_reader_that_takes_nothing_is_given_up(start_server, tmp_path):
    # Large enough not to fit into the sockets' buffers; it only has to look like a video.
    path = tmp_path / "large.mp4"
    from video_files import numbered_video

    numbered_video(path, 5)
    with path.open("ab") as file:
        file.truncate(64 << 20)
    port = start_server(StandIn([record("v", path, "")]), stall_seconds=0.4)
    with connect(port) as connection:
        connection.sendall(HEAD.replace(b"/api/health", b"/api/media?id=v") + b"\r\n")
        time.sleep(1.5)
        _, received = seconds_until_closed(connection)
    assert len(received) < 64 << 20
    assert is_alive(port)


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # without a host
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 2_000_000,
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/video HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_refused(start_server, retriever, request_):
    port = start_server(retriever, header_seconds=1.0)
    with connect(port) as connection:
        connection.sendall(request_)
        _, received = seconds_until_closed(connection)
    assert not received or received.split()[1] in (b"400", b"415", b"421", b"431")
    assert is_alive(port)


def test_websockets_are_not_there(start_server, retriever):
    port = start_server(retriever)
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
    with connect(port) as connection:
        connection.sendall(HEAD.replace(b"/api/health", b"/") + upgrade)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.fixture
def loaded(retriever, monkeypatch):
    """What the retriever is loaded with, in place of an index on the disk."""
    calls = []

    class Loads:
        @staticmethod
        def load(*indexes, device, run):
            calls.append((indexes, device, run))
            retriever.warm_up = lambda: calls.append("warm")
            retriever.close = lambda: calls.append("closed")
            return retriever

    monkeypatch.setattr(server_module, "Retriever", Loads)
    return calls


def serve_once(settings, tmp_path, ask):
    """Serves in this thread until another one has asked."""
    import uvicorn

    answers, servers = [], []
    make = server_module.make_server

    def made(*args):
        servers.append(make(*args))
        return servers[0]

    def ready(address):
        def client():
            answers.append(ask(address))
            servers[0].should_exit = True

        threading.Thread(target=client).start()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_module, "make_server", made)
        # Signals belong to the main thread of a program, and here to pytest.
        patch.setattr(uvicorn.Server, "install_signal_handlers", lambda _: None, raising=False)
        serve([tmp_path], settings, device="cpu", ready=ready)
    return answers[0]


def test_the_address_is_told_when_it_answers(loaded, tmp_path):
    def ask(address):
        host = address.split("/")[2]
        with closing(http.client.HTTPConnection(host, timeout=10)) as connection:
            connection.request("GET", "/api/info")
            return json.load(connection.getresponse())["num_videos"]

    settings = ServeSettings(port=0, preview_folder=tmp_path)
    assert serve_once(settings, tmp_path, ask) == 3
    assert loaded == [((tmp_path,), "cpu", None), "warm", "closed"]


def test_a_port_that_is_taken_is_told_before_anything_is_loaded(loaded, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"cannot listen on 127.0.0.1 port {port}"):
            serve([tmp_path], ServeSettings(port=port))
    assert loaded == []


def test_other_addresses_than_loopback_warn(loaded, tmp_path, capsys):
    settings = ServeSettings(host="0.0.0.0", port=0, preview_folder=tmp_path)
    serve_once(settings, tmp_path, lambda _: None)
    assert "everyone who reaches this machine can search" in " ".join(
        capsys.readouterr().err.split()
    )


def test_loopback_does_not(loaded, tmp_path, capsys):
    serve_once(ServeSettings(port=0, preview_folder=tmp_path), tmp_path, lambda _: None)
    assert "warning" not in capsys.readouterr().err


def test_the_command_hands_its_options_over(monkeypatch, tmp_path):
    seen = {}

    def fake(indexes, settings, **how):
        seen.update(how, indexes=indexes, settings=settings)

    monkeypatch.setattr(server_module, "serve", fake)
    options = ["--port", "9", "--device", "cpu", "--host", "::1", "--allow-host", "a.example"]
    result = CliRunner().invoke(app, ["serve", str(tmp_path), *options])
    assert result.exit_code == 0, result.output
    assert seen == {
        "indexes": [tmp_path], "device": "cpu", "run": None,
        "settings": ServeSettings(host="::1", port=9, allowed_hosts=("a.example",)),
    }  # fmt: skip


def test_a_missing_extra_is_told_in_a_sentence(monkeypatch, tmp_path):
    import sys

    monkeypatch.delitem(sys.modules, "search.serve.server")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = CliRunner().invoke(app, ["serve", str(tmp_path)])
    assert isinstance(result.exception, UnavailableError)
    assert 'pip install -e ".[search]"' in str(result.exception)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_in_order(loaded, tmp_path, number):
    before = signal.getsignal(signal.SIGTERM)

    def ready(address):
        threading.Thread(target=end, args=(address,)).start()

    def end(address):
        wait_until(lambda: answers(address))
        os.kill(os.getpid(), number)

    serve([tmp_path], ServeSettings(port=0, preview_folder=tmp_path), ready=ready)
    assert loaded[-1] == "closed"
    assert signal.getsignal(signal.SIGTERM) is before


def answers(address):
    with closing(http.client.HTTPConnection(address.split("/")[2], timeout=10)) as connection:
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().read() == b'{"status":"ok"}'
        except OSError:
            return False
