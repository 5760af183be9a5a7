"""Figures of a running command over HTTP, in Prometheus' text format.

The format is a line a figure, so that no package is needed for it.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from seds_core.errors import UsageError

LOOPBACK = "127.0.0.1"

_SECONDS_A_CLIENT = 10


@dataclass(frozen=True)
class Figure:
    """One line: a count that only grows, or a gauge."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    value: float | int
    labels: Mapping[str, str] = field(default_factory=dict)


def exposition(figures: Iterable[Figure]) -> str:
    r"""The figures as Prometheus reads them.

    >>> print(exposition([Figure("seds_rows_total", "counter", "Rows.", 3.0, {"store": 'a"b'})]))
    # HELP seds_rows_total Rows.
    # TYPE seds_rows_total counter
    seds_rows_total{store="a\"b"} 3
    <BLANKLINE>
    """
    lines: list[str] = []
    described: set[str] = set()
    for figure in figures:
        if figure.name not in described:
            described.add(figure.name)
            lines.append(f"# HELP {figure.name} {figure.meaning}")
            lines.append(f"# TYPE {figure.name} {figure.kind}")
        labels = ",".join(f'{name}="{_escaped(text)}"' for name, text in figure.labels.items())
        lines.append(f"{figure.name}{{{labels}}} {figure.value:.15g}")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    # A name that is no text is a question mark in it; a line must stay one line.
    text = text.encode(errors="replace").decode()
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


@contextmanager
def served_metrics(
    address: str | None, figures: Callable[[], Iterable[Figure]]
) -> Iterator[int | None]:
    """Inside, ``/metrics`` of the address is answered; gives the port.

    ``address`` is ``PORT`` of this machine alone, or ``HOST:PORT``; ``None`` serves nothing. Raises
    ``UsageError`` for an address that is none or cannot be had.
    """
    if address is None:
        yield None
        return

    class Handler(BaseHTTPRequestHandler):
        timeout = _SECONDS_A_CLIENT

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            content = exposition(figures()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing: standard error is the command's."""

    try:
        server = ThreadingHTTPServer(_address(address), Handler)
    except (OSError, OverflowError) as error:
        raise UsageError(f"--metrics-port {address} cannot be had: {error}") from None
    with server:
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise UsageError(f"--metrics-port {text}: write a port, or HOST:PORT")
    return host.strip("[]") or LOOPBACK, int(port)
