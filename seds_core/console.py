"""Everything that a user sees goes through here: progress, messages, tables, events.

Progress and messages go to standard error, so that standard output holds only results and
``--json`` can be piped.
"""

import json
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

Value = TypeVar("Value")

messages = Console(stderr=True, highlight=False, soft_wrap=True)
"""For progress, warnings and errors (standard error)."""

results = Console(highlight=False, soft_wrap=True)
"""For tables and reports (standard output)."""


SECONDS_BETWEEN_LINES = 30.0
"""Of progress that is told in plain lines."""


def progress_bar() -> Progress:
    """A progress display with counts, rates, elapsed and remaining time.

    Tasks are added with a field ``rates``: a text, empty at first. Where no bar can be seen to
    move, as in a file, a plain line now and then tells the same.
    """
    return _TellingProgress(
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


class _TellingProgress(Progress):
    """Prints a line at intervals where the console is no terminal."""

    # When the last line was printed.
    _told = 0.0

    def start(self) -> None:
        self._told = time.monotonic()
        super().start()

    def update(self, task_id: TaskID, **changes: Any) -> None:  # noqa: ANN401 - as in rich
        super().update(task_id, **changes)
        self._tell(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        now = time.monotonic()
        # A terminal shows the bar itself; a line for every change would fill a log.
        if self.console.is_terminal or now - self._told < SECONDS_BETWEEN_LINES:
            return
        self._told = now
        task = self._tasks[task_id]
        left = "" if task.time_remaining is None else f", {task.time_remaining / 60:.0f} min left"
        total = "" if task.total is None else f" of {task.total:g}"
        rates = task.fields.get("rates") or ""
        line = f"{task.description}: {task.completed:g}{total} {rates}".rstrip()
        # Without markup: brackets in a description are text.
        self.console.print(f"{line}{left}", markup=False)


def track(values: Collection[Value], description: str) -> Iterator[Value]:
    """The values one by one, with a progress bar."""
    with progress_bar() as progress:
        task = progress.add_task(description, total=len(values), rates="")
        for value in values:
            # The bar moves when the caller is done with the value and asks for the next one.
            yield value
            progress.advance(task)


def print_table(title: str, rows: Mapping[str, str]) -> None:
    """Prints what a command has done, or would do, in numbers."""
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    results.print(table)


def print_json(values: Mapping[str, Any]) -> None:
    """Prints values as one line, which a program that reads along gets at once."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def print_event(event: str, **values: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Prints what has just happened, for ``--json``."""
    print_json({"event": event, **values})


def warn(text: str) -> None:
    """Prints a warning that cannot be overlooked."""
    messages.print(f"[bold yellow]warning:[/] {text}")


def fail(text: str) -> None:
    """Prints why a command ended without doing its work."""
    messages.print(f"[bold red]error:[/] {text}")
