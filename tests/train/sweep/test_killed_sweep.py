"""A sweep that is killed in the middle of its runs goes on, and ends with the same report."""

import json
import os
import signal
import subprocess
import sys

import pytest
from filelock import FileLock
from process_group import REPOSITORY
from run_comparison import assert_same_run, wait_for_step
from small_sweep import write_sweep

RECIPES = """recipes:
  base: {train: {optimisation: {epochs: 2}}}
  calm: {train: {optimisation: {epochs: 2}, augmentation: {jitter: 0.0}}}
"""

SLOWLY = """
import time
from train.training.step import TrainingStep
take_step = TrainingStep.__call__
def step(self, batch, number):
    time.sleep(0.5)
    return take_step(self, batch, number)
TrainingStep.__call__ = step
"""
"""A ``sitecustomize`` for the runs' processes, so that they can be killed within an epoch."""


def start(folder, out, *options, slowly=False):
    """Starts the command, whose runs find the project and, maybe, the slow step."""
    paths = [str(REPOSITORY), str(REPOSITORY / "tests")]
    if slowly:
        slow = folder / "slow"
        slow.mkdir(exist_ok=True)
        (slow / "sitecustomize.py").write_text(
            "import sys\nif sys.orig_argv[1:3] == ['-m', 'train.sweep.work']:\n"
            + "".join(f"    {line}\n" for line in SLOWLY.splitlines())
        )
        paths.insert(0, str(slow))
    command = ["sweep", str(folder / "sweep.yaml"), "--out", str(out), "--device", "cpu"]
    return subprocess.Popen(
        [sys.executable, "-m", "train", *command, *options],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def starts_of(run):
    return len(json.loads((run / "environment.json").read_text()))


@pytest.fixture(scope="module")
def small(folder):
    """Two recipes, one seed, two epochs of two steps; no test split."""
    path = write_sweep(folder, "seeds: [1, 2]", "seeds: [1]\ntest_split: null")
    path.write_text(path.read_text().partition("recipes:")[0] + RECIPES)
    return folder


def test_a_killed_sweep_ends_as_one_that_was_not(small, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with start(small, whole, "--jobs", "2") as running:
        messages = running.communicate(timeout=300)[1]
    assert running.returncode == 0, messages

    # Killed in the first run's second epoch, before the second one begins.
    first, second = (killed / "runs" / f"{name}-seed1" for name in ("base", "calm"))
    with start(small, killed, slowly=True) as running:
        wait_for_step(first, 3, running)
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    assert running.returncode == -signal.SIGKILL
    # The run has noticed: it saves and ends, though nobody is left to ask for it.
    with FileLock(first / "lock", timeout=60):
        assert "Stopped by SIGTERM" in (killed / "logs" / "base-seed1.log").read_text()
    assert not (first / "evaluation").exists()
    assert not second.exists()

    with start(small, killed) as running:
        printed, messages = running.communicate(timeout=300)
    assert running.returncode == 0, messages
    for name in ("report.md", "report.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    for name in ("base-seed1", "calm-seed1"):
        assert_same_run(killed / "runs" / name, whole / "runs" / name)
    assert "selected" in printed
    assert [starts_of(run) for run in (first, second)] == [2, 1]


def test_sigterm_ends_with_143_once_the_runs_have_saved(small, tmp_path):
    out = tmp_path / "stopped"
    run = out / "runs" / "base-seed1"
    with start(small, out, slowly=True) as running:
        wait_for_step(run, 1, running)
        running.terminate()
        messages = running.communicate(timeout=120)[1]
    assert running.returncode == 143, messages
    assert "goes on from there" in messages
    assert not (out / "report.md").exists()
    log = (out / "logs" / "base-seed1.log").read_text()
    assert "Stopped by SIGTERM" in log
