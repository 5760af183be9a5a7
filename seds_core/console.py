"""Everything that a user sees goes through here: progress, messages, tables, events.

Progress and messages go to standard error, so that standard output holds only results and
``--json`` can be piped.
"""

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table

Value = TypeVar("Value")

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What commands a terminal, or turns the direction of the text behind it; tabs and line ends not.
"""


class _PlainConsole(Console):
    """Shows control characters as escapes: names of videos come from files of other people."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            if segment.control is None and _CONTROLS.search(segment.text):
                text = _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], segment.text)
                segment = Segment(text, segment.style)
            yield segment


messages = _PlainConsole(stderr=True, highlight=False, soft_wrap=True)
"""For progress, warnings and errors (standard error)."""

results = _PlainConsole(highlight=False, soft_wrap=True)
"""For tables and reports (standard output)."""


listeners: list[Callable[[str, str], None]] = []
"""Get the level (warning or error) and the text of what the user is told."""

SECONDS_BETWEEN_LINES = 25.0
"""Of work that goes on: a log shows at least every half minute that a command is alive."""


@contextmanager
def activity(task: str | Callable[[], str]) -> Iterator[None]:
    """Inside, where messages go to no terminal, a line at intervals says that work goes on.

    ``task`` names it, or returns the line. A thread prints, so that the line comes while a call
    does not return too. Of nested activities the innermost is told. Also decorates a function.
    """
    began = time.monotonic()

    def line() -> str:
        waited = duration(time.monotonic() - began)
        return f"{task}: at work for {waited}" if isinstance(task, str) else task()

    _activities.begin(line)
    try:
        yield
    finally:
        _activities.end(line)


def duration(seconds: float | int) -> str:
    """Seconds as a text that is quickly read.

    >>> duration(74.6), duration(200), duration(20_000)
    ('75 s', '3 min', '5.6 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def told() -> None:
    """Says that the work has just told of itself: no line of its activity is due for a while."""
    _activities.told_at = time.monotonic()


class _Activities:
    """Lines of what this process is at work on, and the thread that tells the innermost one."""

    def __init__(self) -> None:
        self.told_at = 0.0
        self._lines: list[Callable[[], str]] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, line: Callable[[], str]) -> None:
        self._lines.append(line)
        # A terminal shows bars, which move by themselves.
        if self._thread is None and not _shows_bars():
            self.told_at = time.monotonic()
            self._ended.clear()
            self._thread = threading.Thread(target=self._tell, name="telling", daemon=True)
            self._thread.start()

    def end(self, line: Callable[[], str]) -> None:
        self._lines.remove(line)
        if self._thread is not None and not self._lines:
            self._ended.set()
            self._thread.join()
            self._thread = None

    def _tell(self) -> None:
        while not self._ended.wait(max(self.told_at + SECONDS_BETWEEN_LINES - time.monotonic(), 0)):
            # The work may have told of itself while the thread waited.
            if time.monotonic() < self.told_at + SECONDS_BETWEEN_LINES:
                continue
            self.told_at = time.monotonic()
            for line in self._lines[-1:]:
                # Work does not end because its log cannot be written any more. Without markup:
                # brackets in a description are text.
                with suppress(OSError):
                    messages.print(line(), markup=False)


_activities = _Activities()


def _shows_bars() -> bool:
    return messages.is_terminal or messages.is_jupyter


def progress_bar() -> Progress:
    """A progress display with counts, rates, elapsed and remaining time.

    Tasks are added with a field ``rates``: a text, empty at first. Where no bar can be seen to
    move, as in a file, it is an :func:`activity`.
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
        disable=not _shows_bars(),
    )


class _TellingProgress(Progress):
    """Tells in lines what it cannot show as bars."""

    # What the last line counted, and when that count was first told.
    _told = (-1.0, 0.0)

    def start(self) -> None:
        super().start()
        if self.disable:
            _activities.begin(self._line)

    def stop(self) -> None:
        super().stop()
        if self.disable:
            _activities.end(self._line)

    def _line(self) -> str:
        if not self.tasks:
            return "at work"
        # Commands add one task; of several the last unfinished one is at work.
        task = next((t for t in reversed(self.tasks) if not t.finished), self.tasks[-1])
        now = time.monotonic()
        if task.completed != self._told[0]:
            self._told = task.completed, now
        total = "" if task.total is None else f" of {task.total:g}"
        parts = [f"{task.description}: {task.completed:g}{total} {task.fields['rates']}".rstrip()]
        if task.time_remaining is not None and not task.finished:
            parts.append(f"{duration(task.time_remaining)} left")
        # A slow video and a dead disk look alike from here: at least the wait is told.
        if waited := now - self._told[1]:
            parts.append(f"none more for {duration(waited)}")
        return ", ".join(parts)


def track(values: Collection[Value], description: str) -> Iterator[Value]:
    """The values one by one, with a progress bar."""
    with progress_bar() as progress:
        task = progress.add_task(description, total=len(values), rates="")
        for value in values:
            # The bar moves when the caller is done with the value and asks for the next one.
            yield value
            progress.advance(task)


def grid_of_facts() -> Table:
    """A grid of labels and values, of which long ones, such as paths, are not cut."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")
    return grid


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
    _listen("warning", text)


def fail(text: str) -> None:
    """Prints why a command ended without doing its work."""
    messages.print(f"[bold red]error:[/] {text}")
    _listen("error", text)


def _listen(level: str, text: str) -> None:
    for listener in listeners:
        listener(level, text)
