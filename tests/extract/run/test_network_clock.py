import time

import pytest
import torch
from torch import nn

from extract.run import measured_work
from extract.run.measured_work import matrix_rate, measure

CPU = torch.device("cpu")


class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 4)

    def forward(self, values):
        work_for(0.03)
        return self.linear(values)


def work_for(seconds):
    """Keeps this thread busy."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_time_within_networks_is_told_from_the_rest():
    network = Slow()

    def work():
        work_for(0.02)
        network(torch.zeros(5, 8))
        time.sleep(0.02)

    found = measure(work, CPU)
    assert found.seconds >= 0.07
    assert 0.02 <= found.host_seconds < 0.03  # neither the network nor the sleep


def test_operations_are_multiplications_and_additions():
    network = nn.Linear(8, 4)
    assert measure(lambda: network(torch.zeros(5, 8)), CPU).operations == 2 * 5 * 8 * 4


def test_the_fastest_run_counts(monkeypatch):
    pauses = iter([0.0, 0.5, 0.01])
    monkeypatch.setattr(measured_work, "TIMED_RUNS", 2)
    found = measure(lambda: time.sleep(next(pauses)), CPU)
    assert 0.01 <= found.seconds < 0.4
    assert found.operations == 0


def test_nothing_stays_hooked_after_an_error():
    def fail():
        raise RuntimeError("broken")

    hooks = nn.modules.module._global_forward_hooks
    calls = iter([lambda: None, fail])
    with pytest.raises(RuntimeError, match="broken"):
        measure(lambda: next(calls)(), CPU)
    assert len(hooks) == 0


def test_the_rate_of_matrix_products(monkeypatch):
    monkeypatch.setitem(measured_work._MATRIX_SIDE, "cpu", 64)
    assert 1e6 < matrix_rate(CPU, torch.float32) < 1e15


def test_one_dnns_own_convolution_is_counted():
    plain = nn.Conv2d(6, 4, 3, stride=2, groups=2)
    images = torch.zeros(2, 6, 9, 8)
    geometry = ((0, 0), (2, 2), (1, 1), 2)

    def packed():
        with torch.inference_mode():
            return torch.ops.mkldnn._convolution_pointwise(
                images, plain.weight, plain.bias, *geometry, "relu", [], ""
            )

    expected = measure(lambda: plain(images), CPU).operations
    assert expected == 2 * plain(images).numel() * 3 * 3 * 3
    assert measure(packed, CPU).operations == expected
