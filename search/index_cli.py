"""The commands of ``seds-search`` that make and tend an index."""

import typer


def add_index_commands(app: typer.Typer) -> None:
    """Adds them to the program."""
