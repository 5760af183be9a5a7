"""The commands of ``seds-search`` that open the page."""

from typing import Annotated

import typer

from search.cli_options import EXIT_CODES, Indexes, Run
from seds_core.command_line import Device

Host = Annotated[str, typer.Option(help="Address; others than loopback open it to the network.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes one that is free.")]
AllowHost = Annotated[
    list[str] | None, typer.Option(help="Name under which browsers reach it, such as a proxy's.")
]


def add_serve_commands(app: typer.Typer) -> None:
    """Adds them to the program."""
    app.command(no_args_is_help=True, epilog=EXIT_CODES)(serve)


def serve(
    indexes: Indexes,
    host: Host = "127.0.0.1",
    port: Port = 8321,
    device: Device = "auto",
    run: Run = None,
    allow_host: AllowHost = None,
) -> None:
    """Opens a page on an index: type a sentence or sign it, watch the videos, see why.

    The API stands under /api (described by /api/openapi.json), metrics under /metrics.

    [bold]Examples[/]

    seds-search serve demo/index

    seds-search serve index/part1 index/part2 --port 9000 --device cuda

    seds-search serve index --host 0.0.0.0 --allow-host signs.example.org
    """
    from search.serve.serve_settings import ServeSettings
    from seds_core.errors import UnavailableError

    try:
        from search.serve.server import serve as serve_index
    except ModuleNotFoundError as error:
        if error.name not in ("fastapi", "starlette", "uvicorn", "h11", "prometheus_client"):
            raise
        raise UnavailableError(
            f'the page needs {error.name}, which is not installed: pip install -e ".[search]"'
        ) from None

    settings = ServeSettings(host=host, port=port, allowed_hosts=tuple(allow_host or ()))
    serve_index(indexes, settings, device=device, run=run)
