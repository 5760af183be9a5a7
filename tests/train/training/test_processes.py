"""What processes exchange, and runs of two processes."""

import signal

import process_group_exchange
import pytest
import small_training
import torch
from process_group import run_in_two_processes, start_two_processes, wait_for_both
from run_comparison import losses, metric_lines, wait_for_step

from seds_core.errors import UsageError
from train.checkpoints.run_checkpoint import read_checkpoint
from train.checkpoints.run_folder import RunFolder
from train.processes import Processes, joined_processes


def test_two_processes_understand_each_other():
    run_in_two_processes(process_group_exchange.__file__)


def test_one_process_needs_no_group():
    with joined_processes("cpu") as processes:
        assert processes == Processes(0, 1, torch.device("cpu"))
        assert not torch.distributed.is_initialized()
        rows = torch.ones(2, 3)
        assert processes.gather_rows(rows) is rows
        processes.sum_in_place([rows])
        assert (rows == 1).all()
        assert processes.largest(3) == 3
        assert processes.gather_values("x") == ["x"]
        assert processes.value_of_first("x") == "x"


def test_one_gpu_for_several_processes_is_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    refused = pytest.raises(UsageError, match="cuda:0 is one GPU for 2 processes")
    with refused, joined_processes("cuda:0"):
        pass


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
    wait_for_step(folder.path, 2, *running)
    running[1].send_signal(signal.SIGTERM)
    wait_for_both(running, code=143)
    position = read_checkpoint(folder.last).position
    assert 2 <= position["step"] < 12
    wait_for_both(start_two_processes(small_training.__file__, small_folder, "run", "--resume"))
    assert len(losses(folder.path)) == 12
    wait_for_both(start_two_processes(small_training.__file__, small_folder, "whole"))
    assert losses(folder.path) == pytest.approx(losses(folder.path.parent / "whole"), abs=0)
