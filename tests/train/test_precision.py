import os

import pytest
import torch

from train.precision import autocast, changed_arithmetic, loss_scaler, use_arithmetic
from train.settings import ArithmeticSettings, TrainSettings

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_products_have_the_precision(precision):
    one = torch.ones(2, 2)
    with autocast(CPU, precision):
        assert (one @ one).dtype == getattr(torch, precision)
    assert (one @ one).dtype == torch.float32


def test_only_float16_needs_a_scaled_loss():
    enabled = {p: loss_scaler(CPU, p).is_enabled() for p in ("float32", "bfloat16", "float16")}
    assert enabled == {"float32": False, "bfloat16": False, "float16": True}


def allows_tf32():
    return {torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32}


@pytest.fixture
def _as_before():
    yield
    use_arithmetic(ArithmeticSettings())


@pytest.mark.usefixtures("_as_before")
def test_float32_is_float32_unless_tf32_is_asked_for():
    use_arithmetic(ArithmeticSettings(tf32=True))
    assert allows_tf32() == {True}
    use_arithmetic(ArithmeticSettings())
    assert allows_tf32() == {False}


@pytest.mark.usefixtures("_as_before")
def test_deterministic_kernels_are_asked_for(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    use_arithmetic(ArithmeticSettings())
    assert not torch.are_deterministic_algorithms_enabled()
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    use_arithmetic(ArithmeticSettings(deterministic=True))
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


OLDER = {"optimisation": {"precision": "bfloat16"}, "evaluation": {}}
"""Settings of a run that began before evaluation had a precision of its own."""


@pytest.mark.parametrize(
    ("saved", "changes", "device", "told"),
    [
        (OLDER, {}, CPU, ["evaluated in bfloat16 and now does in float32"]),
        (OLDER, {}, GPU, ["evaluated in bfloat16", "TF32"]),
        (OLDER | {"optimisation": {"precision": "float32"}}, {}, CPU, []),
        (OLDER, {"evaluation": {"precision": "bfloat16"}}, CPU, []),
        (OLDER, {"evaluation": {"precision": "bfloat16"}}, GPU, ["TF32"]),
        (
            OLDER,
            {"evaluation": {"precision": "bfloat16"}, "arithmetic": {"tf32": True}},
            GPU,
            [],
        ),
        (TrainSettings().model_dump(mode="json"), {}, GPU, []),
    ],
)
def test_what_an_older_run_computed_otherwise_is_told(saved, changes, device, told):
    found = changed_arithmetic(saved, TrainSettings.model_validate(changes), device) or ""
    assert all(words in found for words in told)
    assert bool(found) == bool(told)
    assert ("TF32" in found) == ("TF32" in told)
