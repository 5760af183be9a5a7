"""A damaged store is noticed and mended; what is sound stays to the bit."""

import json
import os
import shutil
from dataclasses import replace
from itertools import product

import google_crc32c
import numpy as np
import pytest
import zarr
from finished_videos import RGB, finished, problems_of
from zarr.codecs import GzipCodec

from reference.small_stores import RGB as RGB_MADE_BEFORE
from reference.small_stores import rgb_video, write_store
from reference.stores_made_before import made_before
from seds_core.errors import UsageError
from seds_core.store.arrays import StoreArrays
from seds_core.store.file_checksums import DamagedStoreError
from seds_core.store.place import place_of
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader
from seds_core.store.records import rows_checksum
from seds_core.store.repair import (
    checksum_problem,
    files_without_checksum,
    find_damage,
    repair_store,
    structure_problems,
)
from seds_core.store.staging import StoreInUseError
from seds_core.store.writer import BulkWriter, StoreWriter


def make_store(path):
    with StoreWriter(path, RGB) as writer:
        writer.want(["a", "b"])
        while (video_id := writer.claim()) is not None:
            writer.finish(finished(video_id))
    return StoreReader(path)


def test_a_whole_store_has_no_problems(tmp_path):
    store = make_store(tmp_path / "s.zarr")
    assert structure_problems(store) == []
    assert [checksum_problem(store, v) for v in store.videos] == [None, None]


def test_a_changed_row_is_found_and_named(tmp_path):
    path = tmp_path / "s.zarr"
    with StoreWriter(path, RGB) as writer:
        writer.want(["a", "b"])
        while (video_id := writer.claim()) is not None:
            writer.finish(finished(video_id))
    zarr.open_array(path / "rows" / "features")[4] = 7
    store = StoreReader(path, even_damaged=True)
    assert checksum_problem(store, "a") is None
    assert "'b'" in checksum_problem(store, "b")


def test_a_damaged_file_is_found(tmp_path):
    path = tmp_path / "s.zarr"
    make_store(path)
    shard = path / "rows" / "features" / "c" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 0xFF
    shard.write_bytes(content)
    store = StoreReader(path)
    assert any(checksum_problem(store, v) for v in store.videos)


def test_a_missing_array_and_impossible_rows_are_found(tmp_path):
    path = made_before(tmp_path)
    zarr.open_array(path / "videos" / "first_row")[1] = 11
    (path / "rows" / "frame_step" / "zarr.json").unlink()
    problems = problems_of(path)
    assert any("rows/frame_step/zarr.json" in problem for problem in problems)
    assert any("'b': rows 11 + " in problem for problem in problems)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("committed", {"videos": 1, "rows": 3}),
        ("failures", {"c": {"video_id": "c", "path": "", "reason": "none"}}),
        ("weights", replace(RGB.weights, sha256="1" * 64).recorded()),
        ("files", {}),
    ],
)
def test_attributes_that_were_not_written_are_refused(tmp_path, name, value):
    path = tmp_path / "s.zarr"
    make_store(path)
    attributes = zarr.open_group(path).attrs
    attributes["a note of somebody's"] = "kept"
    assert list(StoreReader(path).videos) == ["a", "b"]
    attributes[name] = value
    with pytest.raises(DamagedStoreError, match=r"zarr\.json is not what was written.*copy"):
        StoreReader(path)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *product(["feature_dim", "clip_length", "max_clips"], [0, -1, 2**31, 2**63, 2**70]),
        *product(["rows", "videos"], [-1, 2**63, 2**70]),
        ("videos", 2**31),
    ],
)
def test_a_forged_size_takes_no_memory(tmp_path, name, size):
    """Its checksum is right: somebody has made it anew."""
    path = tmp_path / "s.zarr"
    make_store(path)
    root = json.loads((path / "zarr.json").read_text())
    attributes = root["attributes"]
    groups = (attributes, attributes["settings"]["rgb"], attributes["committed"])
    [group] = [group for group in groups if name in group]
    group[name] = size
    covered = {part: attributes[part] for part in attributes["checksum"]["of"]}
    text = json.dumps(covered, sort_keys=True).encode()
    attributes["checksum"]["crc32c"] = google_crc32c.value(text)
    (path / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(DamagedStoreError, match=name):
        StoreReader(path)


def test_arrays_of_other_sizes_than_the_root_says_are_not_read(tmp_path):
    path = tmp_path / "s.zarr"
    make_store(path)
    arrays = StoreArrays(place_of(path))
    arrays.root.write(replace(arrays.commit, provenance=replace(RGB, feature_dim=1)))
    with pytest.raises(DamagedStoreError, match=r"rows/features has entries of sizes \(8,\)"):
        StoreReader(path).rows("a")


OPTIONAL = {"clip_frames"}  # stores of evenly spaced clips may lack it


def test_a_root_of_the_earlier_version_that_lacks_something_is_refused_by_name(tmp_path):
    root = made_before(tmp_path) / "zarr.json"
    whole = json.loads(root.read_text())
    for name in whole["attributes"].keys() - OPTIONAL:
        attributes = {key: value for key, value in whole["attributes"].items() if key != name}
        root.write_text(json.dumps(whole | {"attributes": attributes}))
        with pytest.raises(UsageError, match=rf"{name}|layout version None|not a store"):
            StoreReader(root.parent)


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
    assert list(found.files) == [file]
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
    files = StoreArrays(place_of(path)).files.opened("videos", "fps")
    for name, content in files.extended(0, [np.array([25.0, 24.0, 25.0])]):
        (path / name).write_bytes(b"".join(content))
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


@pytest.fixture
def two_videos(tmp_path):
    with BulkWriter(tmp_path / "s.zarr", RGB) as writer:
        for number in range(9):
            writer.add(finished(f"video-{number}", num_rows=1 + number))
    return tmp_path / "s.zarr"


def test_rows_are_those_that_zarr_reads(two_videos):
    store, group = StoreReader(two_videos), zarr.open_group(two_videos, mode="r")
    for entry in store.videos.values():
        run = slice(entry.first_row, entry.first_row + entry.num_rows)
        for name, values in store.rows(entry.video_id).items():
            np.testing.assert_array_equal(values, group["rows"][name][run])
    assert list(store.videos) == group["videos"]["video_id"][:].tolist()


def test_an_array_that_somebody_stored_anew_is_read_through_zarr(tmp_path):
    two_videos = made_before(tmp_path)
    before = StoreReader(two_videos).rows("c")
    rows = zarr.open_group(two_videos, mode="r+")["rows"]
    values = rows["features"][:]
    rows.create_array(
        "features",
        data=values,
        chunks=(7, 8),
        compressors=[GzipCodec()],
        dimension_names=("row", "rgb"),
        overwrite=True,
    )
    np.testing.assert_array_equal(StoreReader(two_videos).rows("c")["features"], before["features"])
    assert problems_of(two_videos) == []
    with pytest.raises(StoreMismatchError, match="rows/features was stored anew"):
        write_store(two_videos, RGB_MADE_BEFORE, [rgb_video("d", 12)])


def test_a_reader_goes_on_while_the_store_grows(two_videos):
    store = StoreReader(two_videos)
    before = store.rows("video-8")
    with BulkWriter(two_videos, RGB, pack_rows=2) as writer:
        for number in range(4):
            writer.add(finished(f"added-{number}"))
            for name, values in store.rows("video-8").items():
                np.testing.assert_array_equal(values, before[name])
    assert list(store.videos) == [f"video-{number}" for number in range(9)]
    assert len(StoreReader(two_videos).videos) == 13
