"""Checkpoints are read without running what they say, and only their weights are kept."""

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from extract.pose.mmpose_model import CheckpointError, Inert, read_checkpoint

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2, dtype=torch.half)}


class Hostile:
    """Unpickled in the ordinary way it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


class History:
    """Like mmengine's log buffer: an object with state, which also names a bound method."""

    def __init__(self) -> None:
        self.values = np.arange(3.0)
        self.method = self.mean

    def mean(self) -> float:
        return float(self.values.mean())


class Numbers(list):  # type: ignore[type-arg]
    """Pickled as an object that elements are appended to."""


class Table(OrderedDict):  # type: ignore[type-arg]
    """Pickled as an object that entries are set in."""


class CodeChange:
    """Unpickled in the ordinary way it changes what a function of torch does."""

    def __reduce__(self) -> tuple[Any, ...]:
        return torch._utils._rebuild_tensor, (), {"__doc__": "spoilt"}


def saved(path: Path, content: object, *, as_zip: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=as_zip)
    return path


def assert_weights(state: dict[str, torch.Tensor]) -> None:
    assert state.keys() == WEIGHTS.keys()
    for name, value in WEIGHTS.items():
        assert torch.equal(state[name], value)


def test_plain_checkpoint(tmp_path: Path) -> None:
    content = {"state_dict": WEIGHTS, "meta": {"dataset_meta": {"name": "x", "sizes": [1, 2]}}}
    checkpoint = read_checkpoint(saved(tmp_path / "plain.pth", content))
    assert_weights(checkpoint.state_dict)
    assert checkpoint.dataset_meta == {"name": "x", "sizes": [1, 2]}


def test_bare_weights_and_weights_of_a_distributed_model(tmp_path: Path) -> None:
    assert_weights(read_checkpoint(saved(tmp_path / "bare.pth", WEIGHTS)).state_dict)
    wrapped = {f"module.{name}": value for name, value in WEIGHTS.items()}
    checkpoint = read_checkpoint(saved(tmp_path / "ddp.pth", {"state_dict": wrapped}))
    assert_weights(checkpoint.state_dict)
    assert checkpoint.dataset_meta is None


@pytest.mark.parametrize("as_zip", [True, False])
def test_hostile_objects_are_not_run(tmp_path: Path, as_zip: bool) -> None:
    trap = tmp_path / "trap"
    content = {"state_dict": OrderedDict(WEIGHTS), "hooks": [Hostile(trap)]}
    checkpoint = read_checkpoint(saved(tmp_path / "hostile.pth", content, as_zip=as_zip))
    assert_weights(checkpoint.state_dict)
    assert not trap.exists()
    torch.load(tmp_path / "hostile.pth", weights_only=False)
    assert trap.exists()  # The trap works, so the test can fail.


@pytest.mark.parametrize("as_zip", [True, False])
def test_training_objects_are_ignored(tmp_path: Path, as_zip: bool) -> None:
    meta = {"dataset_meta": {"sigmas": np.arange(3, dtype=np.float32), "scale": np.float64(2)}}
    training = [History(), Numbers([1, 2]), Table(a=1), Path("x"), {History}]
    content = {"state_dict": WEIGHTS, "meta": meta, "message_hub": training}
    checkpoint = read_checkpoint(saved(tmp_path / "official.pth", content, as_zip=as_zip))
    assert_weights(checkpoint.state_dict)
    assert checkpoint.dataset_meta is not None
    np.testing.assert_array_equal(
        checkpoint.dataset_meta["sigmas"], np.array([0, 1, 2], np.float32)
    )
    assert checkpoint.dataset_meta["scale"] == 2


def test_keypoint_description_with_unknown_objects_is_left_out(tmp_path: Path) -> None:
    content = {"state_dict": WEIGHTS, "meta": {"dataset_meta": {"points": (History(),)}}}
    assert read_checkpoint(saved(tmp_path / "odd.pth", content)).dataset_meta is None


def test_functions_of_torch_cannot_be_changed(tmp_path: Path) -> None:
    path = saved(tmp_path / "change.pth", {"state_dict": WEIGHTS, "x": CodeChange()})
    with pytest.raises(CheckpointError):
        read_checkpoint(path)
    assert torch._utils._rebuild_tensor.__doc__ != "spoilt"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list"),
        ({"state_dict": {}}, "no 'state_dict'"),
        ({"epoch": 3}, "these are not tensors: epoch"),
        ({"state_dict": {"w": History()}}, "these are not tensors: w"),
    ],
)
def test_files_without_weights_are_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(saved(tmp_path / "empty.pth", content))


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.pth"
    path.write_text("<html>not found</html>")
    with pytest.raises(CheckpointError, match=r"page\.pth is not a readable checkpoint"):
        read_checkpoint(path)


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_programs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "program.pth"
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(path))  # type: ignore[no-untyped-call]
    with pytest.raises(CheckpointError, match="TorchScript"):
        read_checkpoint(path)


def test_inert_objects_take_anything() -> None:
    inert = Inert(1, key=2)
    inert.append(1)
    inert.extend([1])
    inert["key"] = 1
    inert.__setstate__({"key": 1})
    assert vars(inert) == {}
