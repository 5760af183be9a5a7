"""Which device ``--device`` stands for, for both stages."""

import pytest
import torch

from seds_core.device import choose_device
from seds_core.errors import UsageError


@pytest.mark.parametrize(
    "name", ["gpu0", "cuda:", "cuda:x", "cuda:-1", "meta", "mps", "xpu:0", "", "cpu:0"]
)
def test_an_unknown_device_is_refused(name):
    with pytest.raises(UsageError, match=f"'{name}'.*auto, cpu, cuda"):
        choose_device(name)


@pytest.fixture
def gpus(monkeypatch):
    def gpus(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return gpus


def test_without_a_gpu_auto_is_the_cpu(gpus):
    gpus(0)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    for name in ("cuda", "cuda:1"):
        with pytest.raises(UsageError, match=f"--device {name}.*--device cpu"):
            choose_device(name)


def test_a_gpu_is_chosen_by_number_or_by_process(gpus):
    gpus(2)
    assert choose_device("auto") == choose_device("cuda:0") == torch.device("cuda", 0)
    assert choose_device("cuda", local_rank=1, num_local=2) == torch.device("cuda", 1)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="2 GPUs, the last is cuda:1"):
        choose_device("cuda:2")
    with pytest.raises(UsageError, match=r"cuda:2.*2 GPUs"):
        choose_device("auto", local_rank=2, num_local=3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_real_gpu_is_chosen():
    assert choose_device("auto") == torch.device("cuda", 0)
    with pytest.raises(UsageError, match="is not there"):
        choose_device("cuda", local_rank=torch.cuda.device_count())
