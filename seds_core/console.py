"""One console, one way to report progress: everything a person sees goes through here.

Progress and messages go to standard error, so that standard output holds only results and
``--json`` can be piped.
"""

from collections.abc import Collection, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Value = TypeVar("Value")

messages = Console(stderr=True, highlight=False, soft_wrap=True)
"""For progress, warnings and errors (standard error)."""

results = Console(highlight=False, soft_wrap=True)
"""For tables and reports (standard output)."""


def progress_bar() -> Progress:
    """A progress display with counts, rates, elapsed and remaining time.

    Tasks are added with a field ``rates``: a text, empty at first.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rates]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=messages,
    )


def track(values: Collection[Value], description: str) -> Iterator[Value]:
    """The values one by one, with a progress bar."""
    with progress_bar() as progress:
        task = progress.add_task(description, total=len(values), rates="")
        for value in values:
            yield value
            progress.advance(task)


def warn(text: str) -> None:
    """Prints a warning that cannot be overlooked."""
    messages.print(f"[bold yellow]warning:[/] {text}")


def fail(text: str) -> None:
    """Prints why a command ended without doing its work."""
    messages.print(f"[bold red]error:[/] {text}")
