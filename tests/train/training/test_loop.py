"""When a loop trains, validates, saves and stops, with parts that only note the order."""

import signal
from dataclasses import asdict, replace

import pytest
from training_stand_in import random_batch

from train.checkpoints.run_checkpoint import Position
from train.data.loading import TrainingBatches
from train.processes import Processes
from train.training.loop import CheckpointKeeper, StopRequest, TrainingLoop, noted_stop_requests
from train.training.observers import RunLength, RunObserver
from train.training.step import StepReport, TrainingStep

REPORT = StepReport(1.0, {}, 1.0, {}, 1.0, is_skipped=False)


class Batches(TrainingBatches):
    def __init__(self):
        self.asked = []

    def epoch(self, epoch, *, first_step=0):
        self.asked.append((epoch, first_step))
        return iter([random_batch(2)] * (3 - first_step))

    def video_ids(self, epoch, step):
        return [f"{epoch}-{step}-{row}" for row in range(2)]


class Step(TrainingStep):
    def __init__(self):
        self.steps = []

    def __call__(self, batch, step):
        self.steps.append(step)
        return REPORT


class Keeper(CheckpointKeeper):
    is_due = False
    is_due_after_epoch = False

    def __init__(self):
        self.saved = []

    def save(self, position, best_score, *, is_best=False):
        self.saved.append((*asdict(position).values(), best_score, is_best))


class Notes(RunObserver):
    def __init__(self):
        self.notes = []

    def step(self, record):
        self.notes.append(record.step)

    def validation(self, record):
        self.notes.append((record.epoch, record.score, record.best_score))

    def pause(self):
        self.notes.append("pause")


def loop(scores, cpu, **changes):
    scores = None if scores is None else iter(scores)
    values = {
        "stage": "fusion",
        "length": RunLength(epochs=3, steps_per_epoch=3),
        "step": Step(),
        "batches": Batches(),
        "keeper": Keeper(),
        "validate": scores and (lambda: {"fusion": next(scores), "pose": 99.0}),
        "every_epochs": 1,
        "processes": Processes(0, 1, cpu),
        "observers": (Notes(),),
        "stop": StopRequest(),
        "position": Position(),
        "best_score": None,
    }
    return TrainingLoop(**(values | changes))


@pytest.fixture
def cpu():
    import torch

    return torch.device("cpu")


def test_epochs_are_trained_validated_and_saved(cpu):
    run = loop([10.0, 30.0, 20.0], cpu)
    assert run.run() == 0
    assert run.step.steps == list(range(9))
    assert run.keeper.saved == [
        (1, 0, 3, 10.0, True),
        (2, 0, 6, 30.0, True),
        (3, 0, 9, 30.0, False),
    ]
    assert run.observers[0].notes == [
        *(1, 2, 3, "pause", (1, 10.0, 10.0)),
        *(4, 5, 6, "pause", (2, 30.0, 30.0)),
        *(7, 8, 9, "pause", (3, 20.0, 30.0)),
    ]


def test_an_equal_score_is_no_improvement(cpu):
    run = loop([10.0, 10.0, 10.0], cpu)
    run.run()
    assert run.keeper.saved == [(1, 0, 3, 10.0, True), (3, 0, 9, 10.0, False)]


@pytest.mark.parametrize(("is_due", "epochs"), [(False, [3]), (True, [1, 2, 3])])
def test_of_epochs_that_are_no_better_only_some_are_saved(cpu, is_due, epochs):
    run = loop([5.0, 10.0, 15.0], cpu, best_score=15.0)
    run.keeper.is_due_after_epoch = is_due
    run.run()
    assert [epoch for epoch, *_ in run.keeper.saved] == epochs


def test_not_every_epoch_is_validated_but_the_last_one_is(cpu):
    run = loop([10.0, 20.0], cpu, every_epochs=2)
    run.run()
    assert [note for note in run.observers[0].notes if isinstance(note, tuple)] == [
        (2, 10.0, 10.0),
        (3, 20.0, 20.0),
    ]
    assert run.keeper.saved == [(2, 0, 6, 10.0, True), (3, 0, 9, 20.0, True)]


def test_without_validation_the_newest_epoch_is_the_best(cpu):
    run = loop(None, cpu)
    run.keeper.is_due_after_epoch = True
    run.run()
    assert [(score, is_best) for *_, score, is_best in run.keeper.saved] == [(None, True)] * 3


def test_a_run_goes_on_within_its_epoch(cpu):
    run = loop([10.0, 10.0], cpu, position=Position(1, 2, 5), best_score=15.0)
    run.run()
    assert run.batches.asked == [(1, 2), (2, 0)]
    assert run.step.steps == [5, 6, 7, 8]
    assert run.keeper.saved == [(3, 0, 9, 15.0, False)]


def test_what_is_due_is_saved_within_an_epoch(cpu):
    run = loop(None, cpu, length=RunLength(1, 3))
    run.keeper.is_due = True
    run.run()
    assert [saved[:3] for saved in run.keeper.saved] == [(0, 1, 1), (0, 2, 2), (0, 3, 3), (1, 0, 3)]


def test_the_videos_of_a_skipped_step_are_named(cpu):
    class Skipping(Step):
        def __call__(self, batch, step):
            super().__call__(batch, step)
            return replace(REPORT, is_skipped=step == 4, unusable_rows=(1,) if step == 4 else ())

    class Records(Notes):
        def step(self, record):
            self.notes.append((record.step, record.unusable_videos))

    run = loop(None, cpu, length=RunLength(2, 3), step=Skipping(), observers=(Records(),))
    run.run()
    assert run.observers[0].notes[4] == (5, ("1-1-1",))
    assert [videos for _, videos in run.observers[0].notes if videos] == [("1-1-1",)]


def test_a_signal_lets_the_step_end_and_saves(cpu):
    run = loop([10.0], cpu)
    run.stop.signal_number = 15
    assert run.run() == 15
    assert run.step.steps == [0]
    assert run.keeper.saved == [(0, 1, 1, None, False)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_is_noted_and_nothing_else(number):
    before = signal.getsignal(number)
    with noted_stop_requests() as request:
        assert request.signal_number == 0
        signal.raise_signal(number)
        assert request.signal_number == number
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_ends_at_once():
    with noted_stop_requests():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def stop_twice_within_a_library():
    with noted_stop_requests():
        signal.raise_signal(signal.SIGINT)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("unexpected position in the file") from None


def fail_after_a_request():
    with noted_stop_requests():
        signal.raise_signal(signal.SIGINT)
        raise RuntimeError("ours")


def test_what_a_library_makes_of_a_second_ctrl_c_is_one():
    with pytest.raises(KeyboardInterrupt):
        stop_twice_within_a_library()
    with pytest.raises(RuntimeError, match="ours"):
        fail_after_a_request()


def test_a_second_sigterm_changes_nothing():
    with noted_stop_requests() as request:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert request.signal_number == signal.SIGTERM


def test_what_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with noted_stop_requests() as request:
            signal.raise_signal(signal.SIGINT)
            assert request.signal_number == 0
            signal.raise_signal(signal.SIGTERM)
            assert request.signal_number == signal.SIGTERM
    finally:
        signal.signal(signal.SIGINT, before)
