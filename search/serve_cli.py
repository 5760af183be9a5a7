"""The commands of ``seds-search`` that open the page."""

import typer


def add_serve_commands(app: typer.Typer) -> None:
    """Adds them to the program."""
