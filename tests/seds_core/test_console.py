"""Where nobody sees a bar move, lines tell that work goes on, whatever it does meanwhile."""

import io
import time

import pytest
from rich.console import Console

from seds_core import console

INTERVAL = 0.05


@pytest.fixture
def messages(monkeypatch):
    """Makes standard error a file, or a terminal, and half a minute a twentieth of a second."""

    def messages(*, is_terminal):
        found = Console(file=io.StringIO(), force_terminal=is_terminal, width=200)
        monkeypatch.setattr(console, "messages", found)
        monkeypatch.setattr(console, "SECONDS_BETWEEN_LINES", INTERVAL)
        return found.file

    return messages


def wait_for(file, text, count=1):
    deadline = time.monotonic() + 30
    while file.getvalue().count(text) < count:
        assert time.monotonic() < deadline, file.getvalue()
        time.sleep(0.005)


def test_a_log_gets_lines_while_nothing_happens(messages):
    file = messages(is_terminal=False)
    with console.progress_bar() as progress:
        task = progress.add_task("rgb videos", total=10, rates="")
        progress.update(task, advance=4, rates="2.00 videos/s 0 failed")
        # A decoder is at work on one video for hours: nothing is updated.
        wait_for(file, "rgb videos: 4 of 10 2.00 videos/s 0 failed", count=3)
        progress.advance(task)
        wait_for(file, "rgb videos: 5 of 10")
    assert "none more for" in file.getvalue()
    told = file.getvalue()
    time.sleep(3 * INTERVAL)
    assert file.getvalue() == told


def test_a_log_gets_lines_of_work_without_a_count(messages):
    file = messages(is_terminal=False)
    with console.activity("loading [the] network"):
        wait_for(file, "loading [the] network: at work for 0 s")
        with console.progress_bar() as progress:
            progress.add_task("videos", total=3, rates="")
            wait_for(file, "videos: 0 of 3")
            outer = file.getvalue().count("loading")
            wait_for(file, "videos: 0 of 3", count=4)
            assert file.getvalue().count("loading") == outer
        wait_for(file, "loading", count=outer + 1)


def test_work_that_tells_of_itself_is_not_told_of_twice(messages):
    file = messages(is_terminal=False)
    with console.activity("training"):
        until = time.monotonic() + 5 * INTERVAL
        while time.monotonic() < until:
            console.told()
            time.sleep(INTERVAL / 20)
        assert file.getvalue() == ""
        wait_for(file, "training")


def test_a_log_that_cannot_be_written_ends_no_work(messages, monkeypatch):
    file = messages(is_terminal=False)
    calls = []

    def full(*arguments, **options):
        calls.append(arguments)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(console.messages, "print", full)
    with console.activity("extracting"):
        until = time.monotonic() + 30
        while len(calls) < 3:
            assert time.monotonic() < until
            time.sleep(0.005)
    assert file.getvalue() == ""


def test_a_short_task_leaves_no_line(messages):
    file = messages(is_terminal=False)
    assert list(console.track([1, 2, 3], "videos")) == [1, 2, 3]
    assert file.getvalue() == ""


def test_a_terminal_has_its_bar(messages):
    file = messages(is_terminal=True)
    with console.progress_bar() as progress, console.activity("loading"):
        progress.add_task("videos", total=10, rates="")
        time.sleep(4 * INTERVAL)
    assert "at work" not in file.getvalue()
    assert "0/10" in file.getvalue()
