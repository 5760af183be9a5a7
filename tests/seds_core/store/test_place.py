"""What every place promises of its files, and what a disk's does besides."""

import errno
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seds_core.errors import UsageError
from seds_core.store.disk import DiskPlace
from seds_core.store.place import Absent, ChangedError, place_of


@pytest.fixture
def place(tmp_path) -> DiskPlace:
    return DiskPlace(tmp_path / "store")


def test_a_file_is_written_read_in_part_and_replaced(place):
    assert place.look("rows/a") is None
    with pytest.raises(FileNotFoundError):
        place.read("rows/a")
    first = place.write("rows/a", b"0123456789")
    assert first == place.look("rows/a")
    assert first.num_bytes == 10
    assert place.read("rows/a", 2, 5) == b"234"
    assert place.read("rows/a", 8, 20) == b"89"
    assert place.read("rows/a", 4) == b"456789"
    second = place.write("rows/a", b"9876543210")
    assert second.version != first.version
    assert place.read("rows/a") == b"9876543210"


def test_only_one_of_many_makes_a_file(place):
    def attempt(number: int) -> bool:
        try:
            place.write("claims/key", b"%d" % number, only_if=Absent())
        except ChangedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(attempt, range(16)))
    assert made.count(True) == 1
    assert place.read("claims/key") == b"%d" % made.index(True)


def test_only_one_of_many_replaces_a_version(place):
    for round_number in range(3):
        before = place.write("lock", b"before %d" % round_number)

        def attempt(number: int, before=before) -> bool:
            try:
                place.write("lock", b"%d" % number, only_if=before)
            except ChangedError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            replaced = list(pool.map(attempt, range(8)))
        assert replaced.count(True) == 1
        assert place.read("lock") == b"%d" % replaced.index(True)
    assert [name for name, _ in place.names()] == ["lock"]


def test_a_version_that_is_gone_is_not_replaced(place):
    seen = place.write("lock", b"1")
    place.remove(["lock", "never/there"])
    with pytest.raises(ChangedError, match="lock has been changed by another process"):
        place.write("lock", b"2", only_if=seen)
    assert place.look("lock") is None
    place.write("lock", b"3", only_if=Absent())
    place.write("lock", b"45")
    with pytest.raises(ChangedError):
        place.write("lock", b"6", only_if=Absent())
    assert os.listdir(place.path) == ["lock"]


def test_who_dies_while_replacing_a_version_keeps_it_for_a_minute(place):
    seen = place.write("lock", b"1")
    taken = place.path / f"lock.{seen.version}.taken.partial"
    taken.touch()
    with pytest.raises(ChangedError):
        place.write("lock", b"2", only_if=seen)
    assert taken.exists()
    os.utime(taken, (taken.stat().st_mtime - 61,) * 2)
    with pytest.raises(ChangedError):
        place.write("lock", b"3", only_if=seen)
    place.write("lock", b"4", only_if=seen)
    assert place.read("lock") == b"4"


def test_a_disk_without_hard_links(place, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    seen = place.write("lock", b"1", only_if=Absent())
    with pytest.raises(ChangedError):
        place.write("lock", b"2", only_if=Absent())
    assert place.read("lock") == b"1"
    seen = place.look("lock") or seen
    place.write("lock", b"3", only_if=seen)
    assert place.read("lock") == b"3"


def test_names_are_those_of_whole_files_in_order(place):
    for name in ("videos/b", "rows/x/1", "rows/x/0", "rows/y", "zarr.json"):
        place.write(name, name.encode())
    (place.path / "rows" / "z.partial").touch()
    found = dict(place.names())
    assert list(found) == ["rows/x/0", "rows/x/1", "rows/y", "videos/b", "zarr.json"]
    assert all(seen == place.look(name) for name, seen in found.items())
    assert [name for name, _ in place.names("rows/x")] == ["rows/x/0", "rows/x/1"]
    assert [name for name, _ in place.names("rows/y")] == ["rows/y"]
    assert not list(place.names("nothing/"))


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "rows/../../outside", "a\0b"])
def test_no_name_leads_out_of_a_place(place, name):
    for use in (place.look, place.read, lambda name: place.write(name, b"")):
        with pytest.raises(ValueError, match="is no name of a file within"):
            use(name)


def test_a_failed_write_leaves_what_was_there(place, monkeypatch):
    place.write("a", b"before")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\..*partial'"):
        place.write("a", b"after")
    assert place.read("a") == b"before"
    assert os.listdir(place.path) == ["a"]


def test_places_below_and_beside(place, tmp_path, monkeypatch):
    place.below("rows").write("a", b"1")
    assert place.read("rows/a") == b"1"
    assert place.beside("store.staging").path == tmp_path / "store.staging"
    monkeypatch.chdir(tmp_path)
    assert DiskPlace(Path(".")).beside("x").path == tmp_path.parent / "x"
    assert pickle.loads(pickle.dumps(place)).url == place.url


def test_a_path_is_a_place_on_a_disk(tmp_path):
    assert place_of(tmp_path).path == tmp_path
    assert place_of(str(tmp_path)).path == tmp_path
    with pytest.raises(UsageError, match="ftp://"):
        place_of("ftp://host/store")
