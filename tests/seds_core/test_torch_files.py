"""PyTorch and safetensors files are read without running what they say, and damage is told."""

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from seds_core.errors import UsageError
from seds_core.torch_files import (
    Inert,
    damage_of,
    fill_network,
    read_content,
    read_tensors,
    seal,
    tensors_in,
)

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2).half()}


class Hostile:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return Path.touch, (self.victim,)


def same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        OrderedDict(TENSORS),
        {"state_dict": TENSORS, "epoch": 3},
        {"model": TENSORS, "optimiser": {"step": torch.ones(1)}},
        {f"module.{name}": tensor for name, tensor in TENSORS.items()},
        {"a": {name.removeprefix("a."): tensor for name, tensor in TENSORS.items()}},
        {"state_dict": TENSORS, "best_acc": np.float64(0.5), "curve": np.arange(3.0)},
    ],
    ids=["plain", "ordered", "state_dict", "run", "distributed", "nested", "numpy"],
)
def test_a_torch_file_gives_its_networks_tensors(tmp_path, content, zipped):
    path = tmp_path / "weights.bin"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    same(read_tensors(path), TENSORS)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.bin"])
def test_safetensors_are_told_by_their_content(tmp_path, name):
    save_file(TENSORS, tmp_path / name)
    same(read_tensors(tmp_path / name), TENSORS)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_file_is_refused_and_not_run(tmp_path, zipped):
    victim, path = tmp_path / "victim", tmp_path / "hostile.pth"
    content = {"state_dict": TENSORS, "extra": Hostile(victim)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UsageError, match=r"hostile\.pth.*can run code"):
        read_tensors(path)
    assert not victim.exists()


def test_a_plain_pickle_is_refused_and_not_run(tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "hostile.pth"
    path.write_bytes(pickle.dumps(Hostile(victim), protocol=2))
    with pytest.raises(UsageError, match=r"hostile\.pth"):
        read_tensors(path)
    assert not victim.exists()


@pytest.mark.filterwarnings(r"ignore:.*torch\.jit\.:FutureWarning")
@pytest.mark.filterwarnings(r"ignore:.*torch\.jit\.:DeprecationWarning")
def test_a_program_is_refused(tmp_path):
    path = tmp_path / "program.pt"
    torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(path)
    with pytest.raises(UsageError, match=r"program\.pt is a TorchScript archive"):
        read_tensors(path)


@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.98])
def test_a_file_that_is_cut_off_is_named(tmp_path, kind, part):
    path = tmp_path / "cut.pth"
    tensors = {str(number): torch.rand(50) for number in range(20)}
    if kind == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(UsageError, match=r"cut\.pth.*(cut off|damaged)"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>Log in", "web page"),
        (b"", "cannot be read"),
        (b"no weights", r"damaged|cannot be read"),
    ],
)
def test_other_files_say_what_they_are(tmp_path, content, reason):
    path = tmp_path / "weights.bin"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=rf"weights\.bin.*({reason})"):
        read_tensors(path)


def test_a_missing_file_a_folder_and_a_file_without_tensors_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"no weights file .*missing\.pth"):
        read_tensors(tmp_path / "missing.pth")
    with pytest.raises(UsageError, match=str(tmp_path)):
        read_tensors(tmp_path)
    torch.save({"state_dict": {"w": 1.0}}, tmp_path / "numbers.pth")
    with pytest.raises(UsageError, match=r"numbers\.pth is no file of weights"):
        read_tensors(tmp_path / "numbers.pth")


def test_a_flipped_bit_is_told(tmp_path):
    path = tmp_path / "weights.bin"
    torch.save(TENSORS, path)
    content = bytearray(path.read_bytes())
    place = content.find(TENSORS["a.weight"].numpy().tobytes())
    content[place + 7] ^= 64
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"weights\.bin is damaged"):
        read_tensors(path)


def containing_itself():
    content = dict(TENSORS)
    content["deeper"] = content
    return content


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"x": torch.ones(1), "module.x": torch.zeros(1)}, r"two tensors 'x'.*'module\.x'"),
        ({"a": {"b": torch.ones(1)}, "a.b": torch.zeros(1)}, r"two tensors 'a\.b'"),
        (containing_itself(), "holds itself.*deeper"),
        ({"x": torch.eye(2).to_sparse()}, "'x' as a sparse"),
        ({"x": torch.empty(2, device="meta")}, "'x' as a sparse, quantized or empty"),
    ],
    ids=["distributed", "nested", "self-containing", "sparse", "meta"],
)
@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
def test_what_has_no_one_meaning_is_refused_by_name(tmp_path, content, told):
    path = tmp_path / "weights.bin"
    torch.save(content, path)
    with pytest.raises(UsageError, match=rf"weights\.bin.*{told}"):
        read_tensors(path)


def test_numbers_written_under_numpy_1_are_read(tmp_path):
    path = tmp_path / "old.pth"
    checkpoint = {"state_dict": TENSORS, "best_acc": np.float32(0.5)}
    torch.save(checkpoint, path, _use_new_zipfile_serialization=False)
    new_name = np._core.multiarray.__name__.encode()
    content = path.read_bytes()
    assert new_name in content
    path.write_bytes(content.replace(new_name, b"numpy.core.multiarray"))
    same(read_tensors(path), TENSORS)


class History:
    """Like mmengine's log buffer: an object with state, which also names a bound method."""

    def __init__(self):
        self.values = np.arange(3.0)
        self.method = self.mean

    def mean(self):
        return float(self.values.mean())


class Numbers(list):
    """Pickled as an object that elements are appended to."""


class Table(OrderedDict):
    """Pickled as an object that entries are set in."""


class Folder:
    """Unpickled in the ordinary way it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


class CodeChange:
    """Unpickled in the ordinary way it changes what a function of torch does."""

    def __reduce__(self):
        return torch._utils._rebuild_tensor, (), {"__doc__": "spoilt"}


def saved(path, content, *, zipped=True):
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize("zipped", [True, False])
def test_hostile_objects_that_are_ignored_are_not_run(tmp_path, zipped):
    trap = tmp_path / "trap"
    content = {"state_dict": OrderedDict(TENSORS), "hooks": [Folder(trap)]}
    path = saved(tmp_path / "hostile.pth", content, zipped=zipped)
    same(read_tensors(path, ignore_objects=True), TENSORS)
    assert not trap.exists()
    torch.load(path, weights_only=False)
    assert trap.exists()  # The trap works, so the test can fail.


@pytest.mark.parametrize("zipped", [True, False])
def test_training_objects_are_ignored_where_that_is_asked_for(tmp_path, zipped):
    meta = {"sigmas": np.arange(3, dtype=np.float32), "scale": np.float64(2)}
    training = [History(), Numbers([1, 2]), Table(a=1), Path("x"), {History}]
    content = {"state_dict": TENSORS, "meta": meta, "message_hub": training}
    path = saved(tmp_path / "official.pth", content, zipped=zipped)
    found = read_content(path, ignore_objects=True)
    same(tensors_in(found, path), TENSORS)
    np.testing.assert_array_equal(found["meta"]["sigmas"], np.array([0, 1, 2], np.float32))
    assert found["meta"]["scale"] == 2
    assert isinstance(found["message_hub"][0], Inert)
    with pytest.raises(UsageError, match=r"official\.pth.*can run code"):
        read_content(path)


def test_functions_of_torch_cannot_be_changed(tmp_path):
    path = saved(tmp_path / "change.pth", {"state_dict": TENSORS, "x": CodeChange()})
    with pytest.raises(UsageError, match=r"change\.pth"):
        read_tensors(path, ignore_objects=True)
    assert torch._utils._rebuild_tensor.__doc__ != "spoilt"


@pytest.mark.parametrize(
    "content",
    [[1, 2], {"state_dict": {}}, {"epoch": 3}, {"state_dict": {"w": History()}}],
    ids=["list", "empty", "number", "object"],
)
def test_files_without_weights_are_refused(tmp_path, content):
    path = saved(tmp_path / "empty.pth", content)
    with pytest.raises(UsageError, match=r"empty\.pth is no file of weights"):
        read_tensors(path, ignore_objects=True)


@pytest.mark.parametrize("content", [b"no weights", b"", b"PK\x03\x04 cut short"])
def test_damaged_files_are_named_where_objects_are_ignored(tmp_path, content):
    path = tmp_path / "damaged.pth"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"damaged\.pth"):
        read_tensors(path, ignore_objects=True)


def test_inert_objects_take_anything():
    inert = Inert(1, key=2)
    inert.append(1)
    inert.extend([1])
    inert["key"] = 1
    inert.__setstate__({"key": 1})
    assert vars(inert) == {}


def small_network():
    return nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2))


def test_every_tensor_is_filled_in_but_for_the_count_of_training_steps():
    source, target = small_network(), small_network()
    tensors = source.state_dict()
    del tensors["1.num_batches_tracked"]
    fill_network(target, tensors, Path("some.pth"))
    for expected, filled in zip(source.parameters(), target.parameters(), strict=True):
        assert torch.equal(expected, filled)


def test_misfits_are_listed():
    tensors = dict(small_network().state_dict())
    tensors["2.weight"] = tensors.pop("1.weight")
    with pytest.raises(UsageError, match=r"some\.pth.*missing: 1\.weight; unexpected: 2\.weight$"):
        fill_network(small_network(), tensors, Path("some.pth"))
    tensors["0.bias"] = torch.zeros(3)
    with pytest.raises(UsageError, match=r"(?s)some\.pth.*0\.bias.*\[3\].*\[2\]"):
        fill_network(small_network(), tensors, Path("some.pth"))
    with pytest.raises(UsageError, match="and 1 more"):
        fill_network(small_network(), {}, Path("some.pth"))


CONTENT = {"model": {"weight": torch.arange(10.0)}, "step": 3}


@pytest.fixture
def sealed(tmp_path):
    path = tmp_path / "sealed.pt"
    with path.open("w+b") as file:
        torch.save(CONTENT, file)
        seal(file)
    return path


def test_a_sealed_file_is_what_torch_and_zip_read(sealed):
    assert damage_of(sealed) is None
    for mmap in (False, True):
        found = torch.load(sealed, weights_only=True, mmap=mmap)
        assert torch.equal(found["model"]["weight"], CONTENT["model"]["weight"])
    assert zipfile.ZipFile(sealed).testzip() is None


def test_every_flipped_bit_and_every_cut_is_found(sealed):
    whole = sealed.read_bytes()
    unnoticed = []
    for place in range(4, len(whole)):  # before stands what says that it is an archive at all
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        sealed.write_bytes(damaged)
        unnoticed += [place] if damage_of(sealed) is None else []
    for size in range(4, len(whole), 7):
        sealed.write_bytes(whole[:size])
        unnoticed += [size] if damage_of(sealed) is None else []
    sealed.write_bytes(whole + b"\0")
    assert unnoticed == []
    assert damage_of(sealed) is not None


def test_a_file_without_a_seal_has_the_sums_of_its_parts(tmp_path):
    path = tmp_path / "others.pt"
    torch.save(CONTENT, path)
    assert damage_of(path) is None
    whole = bytearray(path.read_bytes())
    place = whole.find(CONTENT["model"]["weight"].numpy().tobytes())
    whole[place + 9] ^= 4
    path.write_bytes(whole)
    assert "data/0" in damage_of(path)


def test_another_kind_of_file_has_nothing_to_check(tmp_path):
    torch.save(CONTENT, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert damage_of(tmp_path / "old.pt") is None
