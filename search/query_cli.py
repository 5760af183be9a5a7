"""The commands of ``seds-search`` that ask an index."""

import typer


def add_query_commands(app: typer.Typer) -> None:
    """Adds them to the program."""
