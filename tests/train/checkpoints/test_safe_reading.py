"""Weights files are read without running what they say."""

import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from seds_core.errors import UsageError
from seds_core.torch_files import read_tensors

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
    ],
    ids=["plain", "ordered", "state_dict", "run", "distributed", "nested"],
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
@pytest.mark.parametrize("share", [0.3, 0.6, 0.98])
def test_a_file_that_is_cut_off_is_named(tmp_path, kind, share):
    path = tmp_path / "cut.pth"
    tensors = {str(number): torch.rand(50) for number in range(20)}
    if kind == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
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
