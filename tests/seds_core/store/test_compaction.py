"""Compaction gives back the room of rows that no video has, and moves no row."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finished_videos import RGB, finished, problems_of

from seds_core.store.compaction import Room, compact_store, find_room
from seds_core.store.file_checksums import DamagedStoreError
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader
from seds_core.store.records import FailedVideo
from seds_core.store.repair import repair_store
from seds_core.store.staging import StoreInUseError
from seds_core.store.writer import BulkWriter, StoreWriter

WIDE = replace(RGB, feature_dim=1_024)
NUM_ROWS = 700
"""Of a video: features of so many take 2.7 MB, in chunks of 64 rows."""


def wide(video_id, content="c0"):
    video = finished(video_id, NUM_ROWS, content)
    seed = sum(f"{video_id}{content}".encode())
    features = np.random.default_rng(seed).normal(size=(NUM_ROWS, 1_024)).astype(np.float32)
    return replace(video, rows=video.rows | {"features": features})


def add(path, *videos, failures=()):
    with BulkWriter(path, WIDE) as writer:
        for video in videos:
            writer.add(video)
        for failure in failures:
            writer.fail(failure)


@pytest.fixture
def path(tmp_path):
    """Of four videos, 'b' and 'c' have changed since; 'x' has failed twice."""
    path = tmp_path / "s.zarr"
    for reason in ("first", "second"):
        add(path, failures=[FailedVideo.now("x", "/x.mp4", reason)])
    add(path, *map(wide, "abcd"))
    add(path, wide("b", "c1"), wide("c", "c1"))
    return path


def flip(file, at):
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def size(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def holds_all(path):
    store = StoreReader(path)
    for video_id, content in {"a": "c0", "b": "c1", "c": "c1", "d": "c0"}.items():
        expected = wide(video_id, content)
        assert store.videos[video_id].content_hash == content
        for name, values in store.rows(video_id).items():
            np.testing.assert_array_equal(values, expected.rows[name])
    assert {name: f.reason for name, f in store.failures.items()} == {"x": "second"}
    return problems_of(path) == []


def test_the_room_of_changed_videos_comes_back_and_no_row_moves(path):
    before = size(path)
    first_rows = {name: entry.first_row for name, entry in StoreReader(path).videos.items()}
    assert find_room(path) == Room(num_rows=2 * NUM_ROWS, num_failures=1, num_bytes=0)
    room = compact_store(path)
    assert (room.num_rows, room.num_failures) == (2 * NUM_ROWS, 1)
    freed = before - size(path)
    assert freed == pytest.approx(room.num_bytes, abs=2_000)  # the root's own bytes
    assert freed > 0.25 * before  # 1,400 of 4,200 rows, in whole chunks of 64
    assert holds_all(path)
    assert first_rows == {n: entry.first_row for n, entry in StoreReader(path).videos.items()}
    assert find_room(path) == Room(0, 0, 0)
    assert StoreReader(path).num_superseded_rows == 0
    assert compact_store(path) == Room(0, 0, 0)
    add(path, wide("a", "c2"))  # and so on
    assert find_room(path).num_rows == NUM_ROWS
    compact_store(path)
    assert find_room(path).num_rows == 0
    assert problems_of(path) == []


def test_dropped_videos_give_back_their_room(path):
    flip(path / "rows" / "features" / "c" / "0" / "0", at=5_000)
    assert list(repair_store(path).failures) == ["a"]
    assert compact_store(path).num_rows == 3 * NUM_ROWS
    store = StoreReader(path)
    assert sorted(store.videos) == ["b", "c", "d"]
    assert sorted(store.failures) == ["a", "x"]
    assert find_room(path).num_rows == 0
    assert problems_of(path) == []


def test_a_reader_goes_on_and_old_rows_are_refused(path):
    old = StoreReader(path)
    add(path, wide("d", "c1"))
    read_before = StoreReader(path)
    read_before.rows("a")
    compact_store(path)
    for video_id in "abc":
        np.testing.assert_array_equal(
            old.rows(video_id)["features"], read_before.rows(video_id)["features"]
        )
    entry = old.videos["d"]
    with pytest.raises(StoreMismatchError, match=r"compact.*open it again"):
        old.arrays.read_rows("features", entry.rows.start, entry.rows.stop)
    assert StoreReader(path).rows("d")["features"].any()


def test_damage_is_not_given_a_new_checksum(path):
    flip(path / "rows" / "features" / "c" / "0" / "0", at=5_000)
    with pytest.raises(DamagedStoreError, match="rows/features/c/0/0 is not what was written"):
        compact_store(path)
    assert list(repair_store(path).failures) == ["a"]


def test_nobody_else_may_write_meanwhile(path):
    with StoreWriter(path, WIDE), pytest.raises(StoreInUseError):
        compact_store(path)


def test_killed_at_any_step_the_store_is_whole(path, tmp_path):
    copy = tmp_path / "copy.zarr"
    step, ended = 0, False
    while not ended:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.rmtree(tmp_path / "copy.zarr.staging", ignore_errors=True)
        shutil.copytree(path, copy)
        ended = dies_at(step, copy)
        assert holds_all(copy), step
        compact_store(copy)
        assert holds_all(copy), step
        assert find_room(copy).num_rows == 0
        step += 9
    assert step > 9


def dies_at(step, path):
    """Whether compaction came to its end before it had changed so many files."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try:
        left = [step]

        def counted(function):
            def call(*arguments, **options):
                if not left[0]:
                    os._exit(9)
                left[0] -= 1
                return function(*arguments, **options)

            return call

        os.fsync = counted(lambda descriptor: None)
        Path.replace = counted(Path.replace)
        compact_store(path)
        os._exit(0)
    finally:
        os._exit(1)
