"""The command ``seds-train``: options in, one call of the library, an exit code out.

Nothing heavy is imported before a command needs it, so that ``--help`` is instant.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from seds_core.command_line import run
from seds_core.console import results, warn

app = typer.Typer(
    name="seds-train",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The program."""
    run(app)


@app.callback()
def seds_train() -> None:
    """Stores become a retrieval model."""


@app.command()
def check(
    rgb: Annotated[Path, typer.Option(help="Store of RGB features.")],
    pose: Annotated[Path, typer.Option(help="Store of keypoints.")],
) -> None:
    """Whether two stores fit each other, and how many videos both of them hold.

    [bold]Example[/]

    seds-train check --rgb demo/rgb.zarr --pose demo/pose.zarr
    """
    from train.store_pair import open_pair

    pair = open_pair(rgb, pose)
    for text in pair.warnings:
        warn(escape(text))
    results.print(f"{len(pair.video_ids):,} videos are in both stores, on one timeline")
