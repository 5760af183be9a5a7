import io

import pytest
from rich.console import Console

from train.training import observers as module
from train.training.observers import LivePanel, PlainLines, RunLength, StepRecord, ValidationRecord
from train.training.step import StepReport

LENGTH = RunLength(epochs=2, steps_per_epoch=3)
VALIDATION = ValidationRecord(3, 1, {"fusion": 31.25, "pose": 12.5}, 31.25, 40.0)


def record(step, *, is_skipped=False):
    report = StepReport(1.5, {"fusion": 0.5}, 2.0, {"text": 1e-5}, 14.0, is_skipped)
    return StepRecord(step, 1 + (step - 1) // 3, report, samples_per_second=12.34, waiting=0.25)


def console(*, terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, highlight=False)


def test_lines_tell_everything():
    told = console(terminal=False)
    view = PlainLines(LENGTH, told)
    view.validation(VALIDATION)
    view.step(record(4, is_skipped=True))
    text = " ".join(told.file.getvalue().split())
    for expected in (
        "epoch 2/2 step 4/6",
        "loss 1.5000 (fusion 0.5000)",
        "rates text 1.00e-05",
        "12.3 samples/s, 25% waiting for data",
        "R@1 fusion 31.2, pose 12.5 % (best 40.0)",
        "1 steps without a finite result",
    ):
        assert expected in text


def test_lines_do_not_come_for_every_step(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    told = console(terminal=False)
    view = PlainLines(LENGTH, told)
    steps_told = []
    for step in range(1, 7):
        before = told.file.getvalue()
        view.step(record(step))
        if told.file.getvalue() != before:
            steps_told.append(step)
        now[0] += module.SECONDS_BETWEEN_LINES / 2 + 0.1
    # The first, every second one, and the last.
    assert steps_told == [1, 3, 5, 6]


@pytest.fixture
def panel():
    shown = console(terminal=True)
    view = LivePanel(LENGTH, shown)
    yield view, shown
    view.pause()


def test_the_panel_shows_bars_and_figures(panel):
    view, shown = panel
    view.validation(VALIDATION)
    view.step(record(5))
    view.pause()
    text = shown.file.getvalue()
    for expected in ("epoch 2/2", "5/6", "2/3", "ETA", "loss", "12.3 samples/s", "best 40.0"):
        assert expected in text


def test_a_panel_makes_room_and_comes_back(panel):
    view, shown = panel
    view.step(record(1))
    view.pause()
    with shown.status("somebody else's display"):
        pass
    before = len(shown.file.getvalue())
    view.step(record(2))
    view.pause()
    assert len(shown.file.getvalue()) > before
