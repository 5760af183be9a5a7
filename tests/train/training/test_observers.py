"""What a run shows on the screen and writes to its log."""

import io
import json
import math
import time
from contextlib import closing

import pytest
from rich.console import Console

from seds_core import console as core_console
from train.checkpoints.run_folder import RunFolder
from train.training import observers as module
from train.training.observers import (
    LivePanel,
    PlainLines,
    RunLength,
    RunLog,
    StepRecord,
    ValidationRecord,
)
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
    with closing(PlainLines(LENGTH, told)) as view:
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
    steps_told = []
    with closing(PlainLines(LENGTH, told)) as view:
        for step in range(1, 7):
            before = told.file.getvalue()
            view.step(record(step))
            if told.file.getvalue() != before:
                steps_told.append(step)
            now[0] += module.SECONDS_BETWEEN_LINES / 2 + 0.1
    # The first, every second one, and the last.
    assert steps_told == [1, 3, 5, 6]


@pytest.mark.parametrize("is_validating", [False, True])
def test_a_step_or_validation_that_takes_long_is_told(monkeypatch, is_validating):
    told = console(terminal=False)
    monkeypatch.setattr(core_console, "messages", told)
    monkeypatch.setattr(core_console, "SECONDS_BETWEEN_LINES", 0.02)
    with closing(PlainLines(LENGTH, told)) as view:
        view.step(record(4))
        if is_validating:
            view.pause()
        expected = "the validation: at work" if is_validating else "step 5 of 6: at work"
        deadline = time.monotonic() + 30
        while told.file.getvalue().count(expected) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.005)


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


def record_of_loss(step, loss=1.5):
    report = StepReport(loss, {"fusion": loss}, 2.0, {"text": 1e-5}, 14.0, not math.isfinite(loss))
    return StepRecord(step, 1, report, samples_per_second=3.0, waiting=0.1)


def lines(folder):
    return [json.loads(line) for line in folder.metrics.read_text().splitlines()]


def test_steps_and_validations_are_lines(tmp_path):
    folder = RunFolder(tmp_path)
    log = RunLog(folder, 0)
    log.step(record_of_loss(1))
    log.validation(ValidationRecord(1, 1, {"fusion": 50.0, "pose": 20.0}, 50.0, 60.0))
    log.close()
    step, validation = lines(folder)
    assert (step["kind"], step["step"], step["loss"]) == ("step", 1, 1.5)
    assert step["rates"] == {"text": 1e-5}
    assert validation["mean_r1"] == {"fusion": 50.0, "pose": 20.0}
    assert validation["best"] == 60.0


def test_numbers_that_are_not_finite_are_null(tmp_path):
    log = RunLog(RunFolder(tmp_path), 0)
    log.step(record_of_loss(1, loss=math.nan))
    log.close()
    (line,) = lines(RunFolder(tmp_path))
    assert line["loss"] is None
    assert line["parts"] == {"fusion": None}
    assert line["skipped"] is True


def test_a_resumed_run_takes_out_what_it_does_again(tmp_path):
    folder = RunFolder(tmp_path)
    log = RunLog(folder, 0)
    for step in (1, 2, 3):
        log.step(record_of_loss(step))
    log.close()
    with folder.metrics.open("a") as file:
        file.write('{"kind": "step", "st')  # killed while it wrote
    log = RunLog(folder, 2)
    log.step(record_of_loss(3, loss=9.0))
    log.close()
    assert [(line["step"], line["loss"]) for line in lines(folder)] == [
        (1, 1.5),
        (2, 1.5),
        (3, 9.0),
    ]


def test_tensorboard_gets_the_same_numbers(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = RunFolder(tmp_path)
    log = RunLog(folder, 0)
    log.step(record_of_loss(1))
    log.validation(ValidationRecord(1, 1, {"fusion": 50.0}, 50.0, 50.0))
    log.close()
    events = EventAccumulator(str(folder.tensorboard)).Reload()
    found = {tag: events.Scalars(tag)[0].value for tag in events.Tags()["scalars"]}
    assert found["step/parts/fusion"] == 1.5
    assert found["validation/mean_r1/fusion"] == 50.0
