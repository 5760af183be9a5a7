"""Whole runs of two processes: they end, speak with one voice, and stop together."""

import signal
import time

import pytest
import small_training
from process_group import start_two_processes, wait_for_both
from run_comparison import losses, metric_lines

from train.checkpoints.run_checkpoint import read_checkpoint
from train.checkpoints.run_folder import RunFolder


def test_two_processes_train_one_model(small_folder):
    first, second = wait_for_both(start_two_processes(small_training.__file__, small_folder, "run"))
    assert "1 in each of 2 processes" in first
    assert second == ""
    folder = RunFolder(small_folder / "runs" / "run")
    assert [line["step"] for line in metric_lines(folder.path)] == list(range(1, 13))
    assert len(read_checkpoint(folder.last).random_states) == 2


def test_a_signal_to_one_process_stops_both_and_both_go_on(small_folder):
    running = start_two_processes(small_training.__file__, small_folder, "run", "--slowly")
    folder = RunFolder(small_folder / "runs" / "run")
    deadline = time.monotonic() + 120
    while not folder.metrics.exists() or '"step": 2,' not in folder.metrics.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running[1].send_signal(signal.SIGTERM)
    wait_for_both(running, code=143)
    position = read_checkpoint(folder.last).position
    assert 2 <= position["step"] < 12
    wait_for_both(start_two_processes(small_training.__file__, small_folder, "run", "--resume"))
    assert len(losses(folder.path)) == 12
    wait_for_both(start_two_processes(small_training.__file__, small_folder, "whole"))
    assert losses(folder.path) == pytest.approx(losses(folder.path.parent / "whole"), abs=0)
