"""Runs the application: a socket, uvicorn, and connections that do not wait for ever."""

import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn
from rich.logging import RichHandler
from rich.markup import escape
from starlette.types import ASGIApp

from search.query.retriever import Retriever
from search.serve.app import create_app
from search.serve.connection import PatientProtocol
from search.serve.serve_settings import ServeSettings
from seds_core.console import messages, results, warn
from seds_core.errors import UnavailableError


def make_server(app: ASGIApp, settings: ServeSettings) -> uvicorn.Server:
    """Makes a server of an application, which a program or a test starts and stops."""
    protocol = partial(
        PatientProtocol,
        header_seconds=settings.header_seconds,
        stall_seconds=settings.stall_seconds,
    )
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=cast(Any, protocol),  # uvicorn calls it, and asks no more of a class
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # A client could claim any address by a header, and so escape its limits.
            proxy_headers=False,
            h11_max_incomplete_event_size=settings.head_bytes,
            timeout_keep_alive=round(settings.keep_alive_seconds),
            timeout_graceful_shutdown=5,
            limit_concurrency=settings.connections,
        )
    )


def serve(
    indexes: Sequence[Path],
    settings: ServeSettings,
    *,
    device: str = "auto",
    run: Path | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Loads indexes of one model and serves them until Ctrl-C.

    ``run`` replaces the folder of the run that the index has recorded; ``ready`` is called with the
    page's address. Raises ``UsageError`` for what cannot be searched together, and
    ``UnavailableError`` where the address cannot be listened on.
    """
    logging.basicConfig(
        level="WARNING", format="%(message)s", handlers=[RichHandler(console=messages)]
    )
    # Whoever sends what is no HTTP should not fill the log as well.
    logging.getLogger("uvicorn.error").setLevel("ERROR")
    # The address first: loading takes long, and a port that is taken is told at once.
    with ExitStack() as running:
        listener = running.enter_context(_listening(settings))
        if not _is_loopback(settings.host):
            warn(
                escape(
                    f"listening on {settings.host}: everyone who reaches this machine can search "
                    "the index and watch its videos, without a password and unencrypted"
                )
            )
        retriever = Retriever.load(*indexes, device=device, run=run)
        # Nobody's first search should wait for the model. Stage one is loaded by the first video.
        retriever.warm_up()
        running.callback(retriever.close)
        folders = [*map(Path.absolute, indexes), *([run.absolute()] if run else [])]
        server = make_server(create_app(retriever, settings, folders=folders), settings)
        address = f"http://{_url_host(settings.host)}:{listener.getsockname()[1]}/"
        (ready or _tell)(address)
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGTERM, signal.default_int_handler)
            running.callback(signal.signal, signal.SIGTERM, before)
        # uvicorn answers what is under way, and then raises the signal that it was ended by.
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def _tell(address: str) -> None:
    results.print(f"The page is at {address} (Ctrl-C ends it)")


def _listening(settings: ServeSettings) -> socket.socket:
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=512)
    except OSError as error:
        raise UnavailableError(
            f"cannot listen on {settings.host} port {settings.port} ({error.strerror}): "
            "choose another --port, or 0 for any that is free"
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _url_host(host: str) -> str:
    shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # nosec B104
    return f"[{shown}]" if ":" in shown else shown
