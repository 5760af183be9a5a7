"""The command ``seds-search``: options in, one call of the library, an exit code out.

Nothing heavy is imported before a command needs it, so that ``--help`` is instant.
"""

import typer

from search.index_cli import add_index_commands
from search.query_cli import add_query_commands
from search.serve_cli import add_serve_commands
from seds_core.command_line import run

app = typer.Typer(
    name="seds-search",
    help="Sign videos by sentence, sentences by sign video, and why.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

add_index_commands(app)
add_query_commands(app)
add_serve_commands(app)


def main() -> None:
    """The program."""
    run(app)
