"""What a damaged store costs: its damaged videos, and nothing of the others."""

import os
import shutil

import numpy as np
import pytest
import zarr
from finished_videos import RGB, finished, problems_of
from stores_made_before import made_before

from seds_core.errors import UsageError
from seds_core.store.arrays import StoreArrays
from seds_core.store.file_checksums import DamagedStoreError
from seds_core.store.reader import StoreReader
from seds_core.store.repair import files_without_checksum, find_damage, repair_store
from seds_core.store.staging import StoreInUseError, rows_checksum
from seds_core.store.writer import BulkWriter

IDS = ["a", "b", "c"]

INDEX_BYTES = 256 * 16 + 4


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "whole.zarr"
    with BulkWriter(path, RGB) as writer:
        for video_id in IDS:
            # More rows than a chunk has (4,096 of the small arrays), so that damage costs a part.
            writer.add(finished(video_id, num_rows=4_096))
    return path


@pytest.fixture
def path(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "s.zarr")


def remove(file):
    file.unlink()


def halve(file):
    os.truncate(file, file.stat().st_size // 2)


def empty(file):
    os.truncate(file, 0)


def flip_in_second_chunk(file):
    flip(file, (file.stat().st_size - INDEX_BYTES) // 2)


def flip_in_index(file):
    flip(file, file.stat().st_size - 20)


def garble(file):
    file.write_text("[]")


def flip(file, place):
    content = bytearray(file.read_bytes())
    content[place] ^= 4
    file.write_bytes(content)


DAMAGES = [
    ("rows/features/c/0/0", remove, [], True),
    ("rows/features/c/0/0", halve, [], True),
    ("rows/frame_step/c/0", empty, [], True),
    ("rows/features/c/0/0", flip_in_second_chunk, ["a", "c"], False),
    ("rows/features/c/0/0", flip_in_index, IDS, False),
    ("rows/features/zarr.json", garble, IDS, True),
    ("rows/zarr.json", remove, IDS, True),
    ("videos/video_id/c/0", remove, [], True),
    ("videos/entry_checksum/c/0", remove, IDS, True),
    ("videos/num_rows/zarr.json", garble, IDS, True),
]


@pytest.mark.parametrize(("file", "damage", "kept", "is_refused"), DAMAGES)
def test_exactly_the_damaged_videos_are_dropped_and_done_again(
    path, file, damage, kept, is_refused
):
    damage(path / file)
    if is_refused:  # at opening, before anything is read
        with pytest.raises(DamagedStoreError, match=rf"{file}.*seds-extract repair"):
            StoreReader(path)
        with pytest.raises(DamagedStoreError):
            BulkWriter(path, RGB)
    found = find_damage(path)
    assert [p.relative_to(path).as_posix() for p in found.files] == [file]
    assert repair_store(path).indexes == found.indexes
    store = StoreReader(path)
    assert list(store.videos) == kept
    assert problems_of(path) == []
    for video_id in kept:
        for name, values in finished(video_id, 4_096).rows.items():
            np.testing.assert_array_equal(store.rows(video_id)[name], values)
    with BulkWriter(path, RGB) as writer:
        assert list(writer.videos) == kept
        for video_id in IDS:
            if video_id not in kept:
                writer.add(finished(video_id, 4_096))
    assert problems_of(path) == []
    assert sorted(StoreReader(path).videos) == IDS
    assert StoreReader(path).failures == {}


def test_a_wrong_entry_costs_its_video(path):
    """Its file can be decoded, and the checksum of the entry tells which it is."""
    files = StoreArrays(path).files.opened("videos", "fps")
    [other] = files.write(0, [np.array([25.0, 24.0, 25.0])])
    other.unfinished.replace(other.path)
    with pytest.raises(DamagedStoreError, match="videos/fps/c/0 is not what was written"):
        StoreReader(path).videos["a"]
    assert list(repair_store(path).failures) == ["b"]
    assert list(StoreReader(path).videos) == ["a", "c"]
    assert problems_of(path) == []


def test_an_earlier_entry_does_not_come_back(path):
    with BulkWriter(path, RGB) as writer:
        writer.add(finished("b", 5, "c1"))
    zarr.open_array(path / "rows" / "features")[-1] = 7
    assert list(repair_store(path).failures) == ["b"]
    assert list(StoreReader(path).videos) == ["a", "c"]


def test_finding_changes_nothing(path):
    (path / "rows/features/c/0/0").unlink()
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    assert len(find_damage(path).failures) == 3
    assert {p: p.read_bytes() for p in path.parent.rglob("*") if p.is_file()} == before


def test_nobody_may_write_meanwhile(path):
    with BulkWriter(path, RGB), pytest.raises(StoreInUseError):
        repair_store(path)


def test_a_damaged_shard_is_not_extended(path):
    flip_in_second_chunk(path / "rows/features/c/0/0")
    with (
        pytest.raises(DamagedStoreError, match="rows/features/c/0/0"),
        BulkWriter(path, RGB) as writer,
    ):
        writer.add(finished("d"))


@pytest.mark.parametrize("kind", ["rgb", "pose"])
def test_a_store_made_before_gets_checksums(tmp_path, kind):
    path = made_before(tmp_path, kind)
    before = StoreReader(path)
    checksums = {v: rows_checksum(before.rows(v)) for v in before.videos}
    assert files_without_checksum(before.arrays) != []
    assert repair_store(path).num_unlisted > 20
    after = StoreReader(path)
    assert files_without_checksum(after.arrays) == []
    assert {v: rows_checksum(after.rows(v)) for v in after.videos} == checksums


@pytest.mark.parametrize("damage", [remove, halve])
@pytest.mark.parametrize("file", ["rows/features/c/0/0", "videos/fps/c/0"])
def test_a_lost_file_of_a_store_made_before_is_no_zeros(tmp_path, file, damage):
    path = made_before(tmp_path)
    damage(path / file)
    with pytest.raises(UsageError, match=r"rgb\.zarr is damaged.*seds-extract repair"):
        StoreReader(path)
    assert list(repair_store(path).failures) == ["a", "b", "c"]
    assert list(StoreReader(path).videos) == []
    assert problems_of(path) == []


def test_zeros_that_an_earlier_version_did_not_store_are_no_damage(tmp_path):
    """Zarr wrote no file for a shard of zeros; the rows' checksums tell it from a lost one."""
    path = made_before(tmp_path, "pose")
    boxes = path / "rows/person_box/c/0/0"
    assert (StoreReader(path).rows("a")["person_box"] == 0).all()
    boxes.unlink()
    assert (StoreReader(path).rows("a")["person_box"] == 0).all()
    assert problems_of(path) == []
    (path / "rows/frame/c/0").unlink()
    with pytest.raises(DamagedStoreError, match="rows of 'a' are missing"):
        StoreReader(path)
    assert list(repair_store(path).failures) == ["a", "b", "c"]
