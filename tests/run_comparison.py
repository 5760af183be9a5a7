"""Whether two training runs are the same to the last bit, and how far a running one is."""

import json
import time

import torch

from train.checkpoints.run_checkpoint import read_checkpoint
from train.checkpoints.run_folder import RunFolder


def metric_lines(run_dir, kind="step"):
    lines = map(json.loads, RunFolder(run_dir).metrics.read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


def losses(run_dir):
    return [line["loss"] for line in metric_lines(run_dir)]


def wait_for_step(run_dir, step, *running):
    """Waits until a run has logged a step; fails if one of its processes ends before."""
    metrics = RunFolder(run_dir).metrics
    deadline = time.monotonic() + 300
    while not metrics.exists() or f'"step": {step},' not in metrics.read_text():
        assert all(process.poll() is None for process in running), running[0].communicate()[1]
        assert time.monotonic() < deadline, f"step {step} never came"
        time.sleep(0.01)


def assert_same_run(one, other):
    """The same losses, scores, weights, optimiser and random states; speed may differ."""
    assert losses(one) == losses(other)
    assert metric_lines(one, "validation") == metric_lines(other, "validation")
    for name in ("last", "best"):
        first, second = (read_checkpoint(getattr(RunFolder(path), name)) for path in (one, other))
        assert first.position == second.position
        assert first.best_score == second.best_score
        assert_equal(first.model, second.model)
        assert_equal(first.optimiser, second.optimiser)
        # Not Python's own generator, with which beartype chooses what it checks.
        for states, others in zip(first.random_states, second.random_states, strict=True):
            assert_equal(states["torch"], others["torch"])
            assert_equal(states["numpy"], others["numpy"])


def assert_equal(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_equal(first, second)
    else:
        assert one == other
