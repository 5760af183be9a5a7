import process_group_exchange
import pytest
import torch
from process_group import run_in_two_processes

from seds_core.errors import UsageError
from train.processes import Processes, chosen_device, joined_processes


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


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_auto_is_the_cpu_and_cuda_an_error():
    assert chosen_device("auto", 0).type == "cpu"
    with pytest.raises(UsageError, match="--device cpu"):
        chosen_device("cuda", 0)


def test_an_unknown_device_is_an_error():
    with pytest.raises(UsageError, match="no device 'gpu'"):
        chosen_device("gpu", 0)


@pytest.mark.parametrize("name", ["mps", "meta", "xpu:0"])
def test_a_device_that_is_no_cpu_and_no_cuda_is_refused(name):
    with pytest.raises(UsageError, match=f"--device {name} .*use auto, cpu, cuda"):
        chosen_device(name)


def test_one_gpu_for_several_processes_is_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    refused = pytest.raises(UsageError, match="cuda:0 is one GPU for 2 processes")
    with refused, joined_processes("cuda:0"):
        pass


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_every_process_has_a_gpu_of_its_own():
    assert chosen_device("auto", 0) == torch.device("cuda", 0)
    with pytest.raises(UsageError, match="CUDA devices are here"):
        chosen_device("cuda", torch.cuda.device_count())
