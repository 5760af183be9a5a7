"""Whatever bit of a sealed file flips is found; files of others are checked by their CRC-32."""

import zipfile

import pytest
import torch

from seds_core.torch_files import damage_of, seal

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
