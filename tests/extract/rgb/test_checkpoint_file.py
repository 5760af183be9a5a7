"""Checkpoints are read without running what they say."""

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from extract.rgb.weights import read_checkpoint
from extract.weights_cache import WeightsUnavailable


class Hostile:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self):
        return Path.touch, (self.victim,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_training_checkpoint_gives_its_tensors_only(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "published.pth.tar"
    state = OrderedDict({"module.conv.weight": torch.ones(2, 3)})
    training = {"epoch": 3, "best_acc": np.float64(0.5), "curve": np.arange(3.0)}
    torch.save({"state_dict": state, **training}, path, _use_new_zipfile_serialization=zipped)
    weights = read_checkpoint(path)
    assert weights.path == path
    assert list(weights.tensors) == ["conv.weight"]
    assert torch.equal(weights.tensors["conv.weight"], torch.ones(2, 3))


def test_numbers_written_under_numpy_1_are_read(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    checkpoint = {"state_dict": {"w": torch.ones(1)}, "best_acc": np.float32(0.5)}
    torch.save(checkpoint, path, _use_new_zipfile_serialization=False)
    new_name = np._core.multiarray.__name__.encode()
    content = path.read_bytes()
    assert new_name in content
    path.write_bytes(content.replace(new_name, b"numpy.core.multiarray"))
    assert list(read_checkpoint(path).tensors) == ["w"]


def test_tensors_at_the_top_are_found_too(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1)}, tmp_path / "bare.pth")
    assert list(read_checkpoint(tmp_path / "bare.pth").tensors) == ["w"]


@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_file_is_refused_and_not_run(tmp_path: Path, zipped: bool) -> None:
    victim, path = tmp_path / "victim", tmp_path / "hostile.pth"
    content = {"state_dict": {"w": torch.ones(1)}, "extra": Hostile(victim)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsUnavailable, match="can run code"):
        read_checkpoint(path)
    assert not victim.exists()


def test_a_plain_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "hostile.pth"
    path.write_bytes(pickle.dumps(Hostile(victim), protocol=2))
    with pytest.raises(WeightsUnavailable, match=r"hostile\.pth"):
        read_checkpoint(path)
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut short"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsUnavailable, match=r"damaged\.pth"):
        read_checkpoint(path)


def test_a_checkpoint_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"w": 1.0}}, tmp_path / "numbers.pth")
    with pytest.raises(WeightsUnavailable, match="expected tensors by name"):
        read_checkpoint(tmp_path / "numbers.pth")
