"""A file or folder is known again by its size, its time and its bytes."""

import hashlib
import os

import pytest

from extract.interchange.imported import content_hash, quick_identity, quick_look


def test_a_file(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(b"abc")
    os.utime(path, ns=(5, 5))
    assert quick_identity(path) == (3, 5)
    assert content_hash(path) == hashlib.blake2b(b"abc", digest_size=16).hexdigest()


def test_a_folder_is_all_of_its_files_and_their_names(tmp_path):
    (tmp_path / "sub").mkdir()
    for name, content in (("1.json", b"ab"), ("sub/2.json", b"cde")):
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, ns=(7, len(content)))
    assert quick_identity(tmp_path)[0] == 5
    assert quick_look(tmp_path).fits(5, 3)  # as stores have noted it before names counted
    before = content_hash(tmp_path)
    (tmp_path / "1.json").rename(tmp_path / "3.json")
    os.utime(tmp_path / "sub/2.json", ns=(8, 8))
    assert content_hash(tmp_path) != before


def test_a_changed_file_has_another_hash(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"abc")
    before = content_hash(path)
    path.write_bytes(b"abd")
    os.utime(path, ns=(1, 1))
    assert content_hash(path) != before


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        quick_identity(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert quick_identity(tmp_path / "empty")[0] == 0


def test_exchanged_files_of_a_folder_are_noticed(tmp_path):
    for name, content in (("1.json", b"one"), ("2.json", b"two")):
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, ns=(9, 9))
    before = quick_identity(tmp_path)
    (tmp_path / "1.json").rename(tmp_path / "3.json")
    assert quick_identity(tmp_path) != before
