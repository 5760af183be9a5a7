"""Progress is told in plain lines where nobody sees a bar move."""

import io

import pytest
from rich.console import Console

from seds_core import console


@pytest.fixture
def messages(monkeypatch):
    """Makes standard error a file, or a terminal."""

    def messages(*, is_terminal):
        found = Console(file=io.StringIO(), force_terminal=is_terminal, width=200)
        monkeypatch.setattr(console, "messages", found)
        return found.file

    return messages


def track_ten():
    with console.progress_bar() as progress:
        task = progress.add_task("rgb videos", total=10, rates="")
        for _ in range(5):
            progress.update(task, advance=1, rates="2.00 videos/s 0 failed")
        for _ in range(5):
            progress.advance(task)


def test_a_file_gets_a_line_at_intervals(messages, monkeypatch):
    file = messages(is_terminal=False)
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    track_ten()
    lines = [line for line in file.getvalue().splitlines() if " of 10" in line]
    assert [line.split(",")[0] for line in lines] == [
        f"rgb videos: {count} of 10 2.00 videos/s 0 failed" for count in (2, 4, 6, 8, 10)
    ]


def test_it_is_not_told_again_and_again(messages):
    file = messages(is_terminal=False)
    track_ten()
    assert " of 10" not in file.getvalue()


def test_a_terminal_has_its_bar(messages, monkeypatch):
    file = messages(is_terminal=True)
    monkeypatch.setattr(console, "SECONDS_BETWEEN_LINES", 0.0)
    track_ten()
    assert " of 10" not in file.getvalue()
