"""Weights fill a network wholly or not at all, and random ones are marked."""

from pathlib import Path

import pytest
import torch
from torch import nn

from extract.rgb.weights import WeightsFile, fill, random_network
from extract.weights_cache import WeightsUnavailable

PATH = Path("some.pth")


def network() -> nn.Module:
    return nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2))


def test_every_tensor_is_copied() -> None:
    source, target = network(), network()
    fill(target, WeightsFile(PATH, source.state_dict()))
    for expected, filled in zip(source.parameters(), target.parameters(), strict=True):
        assert torch.equal(expected, filled)


def test_the_count_of_training_steps_may_be_missing() -> None:
    tensors = network().state_dict()
    del tensors["1.num_batches_tracked"]
    fill(network(), WeightsFile(PATH, tensors))


def test_misfits_are_listed_and_nothing_is_copied() -> None:
    target = network()
    before = target.state_dict()["0.weight"].clone()
    tensors = dict(network().state_dict())
    tensors["0.bias"] = torch.zeros(3)
    tensors["2.weight"] = tensors.pop("1.weight")
    with pytest.raises(WeightsUnavailable) as caught:
        fill(target, WeightsFile(PATH, tensors))
    assert str(caught.value) == (
        "some.pth does not fit Sequential: missing: 1.weight; unexpected: 2.weight; "
        "of another shape: 0.bias (3,) instead of (2,)"
    )
    assert torch.equal(target.state_dict()["0.weight"], before)


def test_a_long_list_is_cut() -> None:
    with pytest.raises(WeightsUnavailable, match="and 1 more"):
        fill(network(), WeightsFile(PATH, {}))


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
    described = WeightsFile(path, {}).describe("bsl5k")
    assert described.sha256.startswith("ba7816bf8f01cfea")
    assert (described.name, described.source) == ("bsl5k", str(path))
    assert not described.is_random
