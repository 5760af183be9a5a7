import pytest
import torch

from train.precision import autocast, loss_scaler

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_products_have_the_precision(precision):
    one = torch.ones(2, 2)
    with autocast(CPU, precision):
        assert (one @ one).dtype == getattr(torch, precision)
    assert (one @ one).dtype == torch.float32


def test_only_float16_needs_a_scaled_loss():
    enabled = {p: loss_scaler(CPU, p).is_enabled() for p in ("float32", "bfloat16", "float16")}
    assert enabled == {"float32": False, "bfloat16": False, "float16": True}
