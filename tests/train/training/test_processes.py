import process_group_exchange
import pytest
import torch
from process_group import run_in_two_processes

from seds_core.errors import UsageError
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
