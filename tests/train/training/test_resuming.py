"""Runs that are killed, stopped and resumed end as if nothing had happened, to the last bit."""

import os
import signal
import subprocess
import sys
import time

import pytest
import small_training
from process_group import REPOSITORY
from run_comparison import assert_same_run, losses, metric_lines
from small_training import small_request

from train.checkpoints.run_checkpoint import read_checkpoint
from train.checkpoints.run_folder import RunFolder
from train.training.run import train
from train.training.step import TrainingStep


def start(folder, name, *options):
    paths = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests")))
    return subprocess.Popen(
        [sys.executable, small_training.__file__, str(folder), name, *options],
        env=os.environ | {"PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_step(run_dir, step):
    deadline = time.monotonic() + 120
    metrics = RunFolder(run_dir).metrics
    while not metrics.exists() or f'"step": {step},' not in metrics.read_text():
        assert time.monotonic() < deadline, f"step {step} never came"
        time.sleep(0.01)


def position(run_dir):
    return read_checkpoint(RunFolder(run_dir).last).position


@pytest.mark.parametrize(
    ("options", "expected"),
    [([], {"epoch": 1, "step_in_epoch": 0, "step": 3}), (["--save-every-step"], None)],
    ids=["saved after epochs", "saved after steps"],
)
def test_a_killed_run_goes_on_as_if_it_had_not_been(whole_run, options, expected):
    name = f"killed{len(options)}"
    run_dir = whole_run / "runs" / name
    with start(whole_run, name, "--slowly", *options) as running:
        wait_for_step(run_dir, 5)  # the second of three steps of the second epoch
        running.kill()
    assert running.returncode == -signal.SIGKILL
    found = position(run_dir)
    assert found["step_in_epoch"] > 0 if expected is None else found == expected
    assert train(**small_request(whole_run, name, resume=True)) == 0
    assert_same_run(run_dir, whole_run / "runs" / "whole")


def test_sigterm_saves_and_ends_with_143(whole_run):
    run_dir = whole_run / "runs" / "ended"
    with start(whole_run, "ended", "--slowly") as running:
        wait_for_step(run_dir, 4)
        running.terminate()
        messages = running.communicate(timeout=60)[1]
    assert running.returncode == 143
    assert "with --resume goes on from" in messages
    assert "Traceback" not in messages
    assert position(run_dir)["step"] == len(losses(run_dir)) >= 4
    assert train(**small_request(whole_run, "ended", resume=True)) == 0
    assert_same_run(run_dir, whole_run / "runs" / "whole")


@pytest.mark.parametrize("step", [1, 3])
def test_ctrl_c_ends_with_130_wherever_it_comes(whole_run, monkeypatch, step):
    """Also after the last step of an epoch: the validation is then done by who resumes."""
    name = f"interrupted{step}"
    take_step = TrainingStep.__call__

    def interrupted(self, batch, number):
        if number == step - 1:
            signal.raise_signal(signal.SIGINT)
        return take_step(self, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "__call__", interrupted)
        assert train(**small_request(whole_run, name)) == 130
    run_dir = whole_run / "runs" / name
    assert position(run_dir) == {"epoch": 0, "step_in_epoch": step, "step": step}
    assert metric_lines(run_dir, "validation") == []
    assert train(**small_request(whole_run, name, resume=True)) == 0
    assert_same_run(run_dir, whole_run / "runs" / "whole")


def test_a_finished_run_has_nothing_left_to_do(whole_run):
    before = losses(whole_run / "runs" / "whole")
    assert train(**small_request(whole_run, "whole", resume=True)) == 0
    assert losses(whole_run / "runs" / "whole") == before
