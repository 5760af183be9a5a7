"""Extractions and imports write into a store, alone or beside each other."""

import os
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import zarr
from finished_videos import RGB, finished, problems_of
from shared_data import REPOSITORY

from seds_core.store import packed_store
from seds_core.store.arrays import StoreArrays
from seds_core.store.packed_store import PackedStore
from seds_core.store.place import place_of
from seds_core.store.provenance import ImportedFrom, StoreMismatchError
from seds_core.store.reader import StoreReader, VideoNotInStoreError
from seds_core.store.records import FailedVideo
from seds_core.store.staging import Records, Staging, StoreInUseError, num_finished
from seds_core.store.writer import BulkWriter, RecordWriter, StoreWriter


def extract(writer, *, content="c0", only=None):
    """Claims and finishes like an extraction; returns the ids that it was given."""
    given = []
    while (only is None or len(given) < only) and (video_id := writer.claim()) is not None:
        writer.finish(finished(video_id, num_rows=2 + len(video_id), content=content))
        given.append(video_id)
    return given


def contents(path):
    store = StoreReader(path)
    return {video_id: store.rows(video_id)["features"].tolist() for video_id in store.videos}


IDS = ["a", "bb", "ccc", "d", "ee"]


def test_rows_come_back_and_are_flat(tmp_path):
    path = tmp_path / "rgb.zarr"
    with StoreWriter(path, RGB) as writer:
        writer.want(IDS)
        assert extract(writer) == IDS
    store = StoreReader(path)
    for video_id in IDS:
        expected = finished(video_id, 2 + len(video_id))
        for name, values in expected.rows.items():
            np.testing.assert_array_equal(store.rows(video_id)[name], values)
        assert store.videos[video_id].content_hash == "c0"
    assert store.num_rows == sum(2 + len(video_id) for video_id in IDS)
    assert store.num_superseded_rows == 0


@pytest.mark.parametrize("pack_rows", [1, 7, 10_000])
def test_the_arrays_do_not_depend_on_when_they_were_packed(tmp_path, pack_rows):
    with StoreWriter(tmp_path / "one.zarr", RGB) as writer:
        writer.want(IDS)
        extract(writer)
    with StoreWriter(tmp_path / "many.zarr", RGB, pack_rows=pack_rows) as writer:
        writer.want(IDS)
        extract(writer, only=2)
    with StoreWriter(tmp_path / "many.zarr", RGB, pack_rows=pack_rows) as writer:
        writer.want(v for v in IDS if v not in writer.videos)
        extract(writer)
    one, many = (StoreReader(tmp_path / name) for name in ("one.zarr", "many.zarr"))
    assert one.videos == many.videos
    for spec in one.arrays.row_specs:
        np.testing.assert_array_equal(
            one.arrays.read_rows(spec.name, 0, one.num_rows),
            many.arrays.read_rows(spec.name, 0, many.num_rows),
        )


def test_two_writers_share_the_work(tmp_path):
    path = tmp_path / "rgb.zarr"
    with StoreWriter(path, RGB) as first, StoreWriter(path, RGB) as second:
        first.want(IDS)
        second.want(IDS)
        held = first.claim()
        assert extract(second) == IDS[1:]
        assert second.in_other_hands == 1
        first.finish(finished(held, 3))
        assert extract(first) == []
    assert sorted(contents(path)) == IDS


def test_the_claim_of_a_dead_writer_is_void(tmp_path):
    path = tmp_path / "rgb.zarr"
    with StoreWriter(path, RGB) as survivor:
        survivor.want(["a"])
        child = os.fork()
        if child == 0:
            dying = StoreWriter(path, RGB).__enter__()
            dying.want(["a"])
            dying.claim()
            os._exit(9)  # neither withdraws nor packs
        os.waitpid(child, 0)
        assert extract(survivor) == ["a"]


def test_what_a_dead_writer_had_finished_is_kept(tmp_path):
    path = tmp_path / "rgb.zarr"
    child = os.fork()
    if child == 0:
        dying = StoreWriter(path, RGB).__enter__()
        dying.want(["a", "bb"])
        extract(dying, only=1)
        dying.claim()
        os._exit(9)
    os.waitpid(child, 0)
    with StoreWriter(path, RGB) as writer:
        assert list(writer.videos) == ["a"]
        writer.want(["a", "bb"])
        # "a" is wanted again here, as if its source had changed.
        assert extract(writer, content="c1") == ["a", "bb"]


def test_dying_between_packing_and_clearing_adds_nothing_twice(tmp_path, monkeypatch):
    path = tmp_path / "rgb.zarr"
    with StoreWriter(path, RGB) as writer:
        writer.want(IDS)
        monkeypatch.setattr(Records, "drop", lambda self, records: None)
        extract(writer)
        writer.pack()
        monkeypatch.undo()
    assert StoreReader(path).num_rows == sum(2 + len(v) for v in IDS)


def test_dying_before_the_commit_leaves_the_store_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "rgb.zarr"
    with StoreWriter(path, RGB) as writer:
        writer.want(IDS[:2])
        extract(writer)
    before = contents(path)

    def die_after_rows(self, replacements, part, *others):
        if part == "videos":
            raise KeyboardInterrupt
        return original(self, replacements, part, *others)

    original = StoreArrays.extend
    monkeypatch.setattr(StoreArrays, "extend", die_after_rows)
    writer = StoreWriter(path, RGB).__enter__()
    writer.want(IDS[2:])
    extract(writer)
    with pytest.raises(KeyboardInterrupt):
        writer.__exit__()
    assert contents(path) == before
    monkeypatch.undo()
    with StoreWriter(path, RGB) as writer:
        assert sorted(writer.videos) == IDS
    assert contents(path) == {v: finished(v, 2 + len(v)).rows["features"].tolist() for v in IDS}


def test_a_changed_video_replaces_its_rows(tmp_path):
    path = tmp_path / "rgb.zarr"
    for content in ("c0", "c1"):
        with StoreWriter(path, RGB) as writer:
            writer.want(["a"])
            extract(writer, content=content)
    store = StoreReader(path)
    assert store.videos["a"].content_hash == "c1"
    assert store.rows("a")["features"].tolist() == finished("a", 3, "c1").rows["features"].tolist()
    assert store.num_superseded_rows == 3


def test_failures_are_kept_until_the_video_succeeds(tmp_path):
    path = tmp_path / "rgb.zarr"
    with StoreWriter(path, RGB) as writer:
        writer.want(["a", "bb"])
        writer.fail(FailedVideo.now(writer.claim(), "/a.mp4", "it is empty"))
        assert extract(writer) == ["bb"]
    store = StoreReader(path)
    assert store.failures["a"].reason == "it is empty"
    with pytest.raises(VideoNotInStoreError, match="no video 'a': it is empty"):
        store.rows("a")
    with StoreWriter(path, RGB) as writer:  # a later run tries again
        writer.want(["a"])
        assert extract(writer) == ["a"]
    assert StoreReader(path).failures == {}


def test_a_failure_is_not_tried_again_by_a_process_that_runs_beside(tmp_path):
    path = tmp_path / "rgb.zarr"
    with StoreWriter(path, RGB) as first, StoreWriter(path, RGB) as second:
        first.want(["a"])
        second.want(["a"])
        first.fail(FailedVideo.now(first.claim(), "/a.mp4", "broken"))
        assert second.claim() is None
        first.pack()
        assert second.claim() is None


def test_other_settings_are_refused_with_both_sides(tmp_path):
    path = tmp_path / "rgb.zarr"
    with StoreWriter(path, RGB):
        pass
    other = replace(
        RGB,
        rgb=replace(RGB.clips, backbone="s3d"),
        timeline=replace(RGB.timeline, max_frames=100),
    )
    with pytest.raises(StoreMismatchError) as refusal:
        StoreWriter(path, other)
    assert "settings.rgb.backbone: i3d / s3d" in str(refusal.value)
    assert "settings.frames.max_frames: 300 / 100" in str(refusal.value)
    moved = replace(RGB, weights=replace(RGB.weights, source="elsewhere"))
    with StoreWriter(path, moved):
        pass


def test_another_layout_version_is_refused(tmp_path):
    path = tmp_path / "rgb.zarr"
    StoreArrays.create(place_of(path), RGB)
    zarr.open_group(path).attrs["layout_version"] = 99
    with pytest.raises(StoreMismatchError, match="layout version 99, this program reads 1"):
        StoreReader(path)


@pytest.mark.parametrize("content", [None, "zarr.json", "plain"])
def test_what_is_no_store_is_refused(tmp_path, content):
    path = tmp_path / "thing"
    if content == "plain":
        path.write_text("hello")
    elif content:
        path.mkdir()
        (path / content).write_text("{")
    with pytest.raises(StoreMismatchError, match=r"no store .*thing|thing is not a store"):
        StoreReader(path)


def test_two_threads_of_a_process_are_never_in_a_store_at_once(tmp_path):
    """One claims while another finishes; the lock on the file serves the whole process."""
    staging = Staging(tmp_path / "s.zarr")
    inside = threading.Event()

    def enter():
        with staging.lock():
            inside.set()

    other = threading.Thread(target=enter)
    with staging.lock():
        other.start()
        assert not inside.wait(0.3)
    other.join(30)
    assert inside.is_set()


CLIP_FRAMES = replace(RGB, clip_frames=16)
IMPORTED = [f"video-{number:03}" for number in range(12)]


def video(video_id, content="c0", provenance=RGB):
    result = finished(video_id, num_rows=1 + int(video_id[-2:]) % 7, content=content)
    if provenance.clip_frames:
        frames = np.arange(result.num_rows * 16, dtype=np.int32).reshape(-1, 16) % 11
        result.rows["frames"] = frames + np.int32(video_id[-2:])
    return result


def add_all(path, ids, *, provenance=RGB, pack_rows=25):
    with BulkWriter(path, provenance, pack_rows=pack_rows) as writer:
        for video_id in ids:
            if video_id not in writer.videos:
                writer.add(video(video_id, provenance=provenance))


@pytest.mark.parametrize("provenance", [RGB, CLIP_FRAMES], ids=["even", "frames"])
@pytest.mark.parametrize("pack_rows", [9, 10_000])
def test_the_store_is_that_of_an_extraction(tmp_path, provenance, pack_rows):
    with StoreWriter(tmp_path / "one.zarr", provenance) as writer:
        writer.want(IMPORTED)
        while (video_id := writer.claim()) is not None:
            writer.finish(video(video_id, provenance=provenance))
    add_all(tmp_path / "bulk.zarr", IMPORTED, provenance=provenance, pack_rows=pack_rows)
    one, bulk = StoreReader(tmp_path / "one.zarr"), StoreReader(tmp_path / "bulk.zarr")
    assert one.videos == bulk.videos
    assert one.num_rows == bulk.num_rows
    for spec in one.arrays.row_specs:
        np.testing.assert_array_equal(
            *(s.arrays.read_rows(spec.name, 0, s.num_rows) for s in (one, bulk))
        )
    assert problems_of(tmp_path / "bulk.zarr") == []


def test_a_changed_frame_is_found(tmp_path):
    path = tmp_path / "s.zarr"
    add_all(path, IMPORTED[:3], provenance=CLIP_FRAMES)
    zarr.open_array(path / "rows" / "frames")[2, 15] = 1_000
    file, video = problems_of(path)
    assert "rows/frames/c/0/0 is not what was written" in file
    assert "'video-001'" in video


def test_packs_end_behind_the_end_of_a_shard(tmp_path, monkeypatch):
    """Only the short beginning of a shard is written twice, whatever was there before."""
    path = tmp_path / "s.zarr"
    add_all(path, IMPORTED[:3])  # 1 + 2 + 3 rows
    packs = []
    append = PackedStore.append
    monkeypatch.setattr(
        PackedStore,
        "append",
        lambda store, videos, failures: (
            packs.append([v.num_rows for v in videos]) or append(store, videos, failures)
        ),
    )
    add_all(path, IMPORTED, pack_rows=20)
    # What was staged: nothing. Then 6 + 15 = 21 rows, then 22 more until there are 43.
    assert packs == [[], [4, 5, 6], [7, 1, 2, 3, 4, 5], []]
    assert StoreReader(path).num_rows == 43


def test_an_error_while_packing_comes_out(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space left")

    with BulkWriter(tmp_path / "s.zarr", RGB, pack_rows=3) as writer:
        writer.add(video("a-01"))
        with monkeypatch.context() as full_disk:
            full_disk.setattr(StoreArrays, "append", fail)
            writer.add(video("b-01"))
            with pytest.raises(OSError, match="no space left"):
                writer.add(video("c-02"))
        writer.add(video("d-03"))
    assert list(StoreReader(tmp_path / "s.zarr").videos) == ["c-02", "d-03"]
    add_all(tmp_path / "s.zarr", ["a-01", "b-01", "c-02"])
    assert sorted(StoreReader(tmp_path / "s.zarr").videos) == ["a-01", "b-01", "c-02", "d-03"]
    assert problems_of(tmp_path / "s.zarr") == []


def test_the_table_is_read_once(tmp_path, monkeypatch):
    reads = []
    read_table = packed_store.VideoTable
    monkeypatch.setattr(
        packed_store, "VideoTable", lambda arrays: reads.append(1) or read_table(arrays)
    )
    add_all(tmp_path / "s.zarr", IMPORTED, pack_rows=12)
    assert len(reads) == 1
    store = PackedStore(tmp_path / "s.zarr", RGB)
    store.append([video("added-00")], [])
    assert store.videos == StoreReader(tmp_path / "s.zarr").videos


def test_a_video_given_again_replaces_itself(tmp_path):
    path = tmp_path / "s.zarr"
    with BulkWriter(path, RGB) as writer:
        writer.add(video("a-03"))
        writer.add(video("a-03", "c1"))
    store = StoreReader(path)
    assert store.videos["a-03"].content_hash == "c1"
    assert store.num_superseded_rows == 4
    assert problems_of(path) == []


def test_failures_of_an_import_are_kept_until_the_video_succeeds(tmp_path):
    path = tmp_path / "s.zarr"
    with BulkWriter(path, RGB) as writer:
        writer.fail(FailedVideo.now("a-00", "/a.pkl", "it is empty"))
        writer.add(video("b-00"))
        writer.fail(FailedVideo.now("c-00", "/c.pkl", "it is damaged"))
    with BulkWriter(path, RGB) as writer:
        assert list(writer.videos) == ["b-00"]
        writer.add(video("a-00"))
        writer.fail(FailedVideo.now("c-00", "/c.pkl", "it is still damaged"))
    store = StoreReader(path)
    assert sorted(store.videos) == ["a-00", "b-00"]
    assert {name: f.reason for name, f in store.failures.items()} == {"c-00": "it is still damaged"}


def test_failures_alone_are_recorded(tmp_path):
    with BulkWriter(tmp_path / "s.zarr", RGB) as writer:
        writer.fail(FailedVideo.now("a-00", "/a.pkl", "it is empty"))
    assert StoreReader(tmp_path / "s.zarr").failures["a-00"].reason == "it is empty"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros((3, 8))}, r"features must be float32 \(3, 8\), not float64"),
        (
            {"features": np.zeros((3, 9), np.float32)},
            r"features must be float32 \(3, 8\), not float32 \(3, 9\)",
        ),
        (
            {"first_frame": np.zeros(2, np.int32)},
            r"first_frame must be int32 \(3,\), not int32 \(2",
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused_before_they_wait(tmp_path, change, message):
    wrong = replace(finished("wrong"), rows=finished("wrong").rows | change)
    with BulkWriter(tmp_path / "s.zarr", RGB) as writer:
        writer.add(video("a-00"))
        with pytest.raises(ValueError, match=f"'wrong': {message}"):
            writer.add(wrong)
        with pytest.raises(ValueError, match="'none' has no rows"):
            writer.add(finished("none", num_rows=0))
    assert list(StoreReader(tmp_path / "s.zarr").videos) == ["a-00"]


def test_nobody_else_may_write_meanwhile(tmp_path):
    path = tmp_path / "s.zarr"
    with BulkWriter(path, RGB) as first:
        for other in (BulkWriter, StoreWriter):
            with pytest.raises(StoreInUseError, match=r"s\.zarr: another .* is writing"):
                other(path, RGB)
        first.add(video("a-00"))
    with StoreWriter(path, RGB) as writer:
        assert list(writer.videos) == ["a-00"]
        with pytest.raises(StoreInUseError):
            BulkWriter(path, RGB)
        writer.want(["b-01"])  # the refused import has left no lock behind
        writer.finish(video(writer.claim()))
    add_all(path, ["c-02"])
    assert sorted(StoreReader(path).videos) == ["a-00", "b-01", "c-02"]


def test_a_store_made_otherwise_is_refused_and_left_unlocked(tmp_path):
    path = tmp_path / "s.zarr"
    with StoreWriter(path, RGB):
        pass
    imported = replace(RGB, imported_from=ImportedFrom(format="npy"))
    with pytest.raises(StoreMismatchError, match=r"settings\.imported\.format: not set / npy"):
        BulkWriter(path, imported)
    add_all(path, ["a-00"])
    assert list(StoreReader(path).videos) == ["a-00"]


def test_what_lies_in_staging_is_packed_first(tmp_path):
    path = tmp_path / "s.zarr"
    add_all(path, ["a-00"])
    records = RecordWriter(path, RGB)
    records.finish(video("b-01"))
    records.fail(FailedVideo.now("c-02", "/c.mp4", "broken"))
    with BulkWriter(path, RGB) as writer:
        assert list(writer.videos) == ["a-00", "b-01"]
        assert StoreReader(path).failures["c-02"].reason == "broken"
    assert num_finished(path) == 0


def test_an_error_in_between_keeps_what_was_added(tmp_path):
    def interrupted_import():
        with BulkWriter(tmp_path / "s.zarr", RGB) as writer:
            writer.add(video("a-00"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_import()
    assert list(StoreReader(tmp_path / "s.zarr").videos) == ["a-00"]


def test_an_import_that_dies_before_the_commit_leaves_the_store_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "s.zarr"
    add_all(path, IMPORTED[:5])

    def die_after_rows(self, replacements, part, *others):
        if part == "videos":
            raise KeyboardInterrupt
        return original(self, replacements, part, *others)

    original = StoreArrays.extend
    monkeypatch.setattr(StoreArrays, "extend", die_after_rows)
    with pytest.raises(KeyboardInterrupt):
        add_all(path, IMPORTED)
    assert list(StoreReader(path).videos) == IMPORTED[:5]
    assert problems_of(path) == []
    monkeypatch.undo()
    add_all(path, IMPORTED)
    assert list(StoreReader(path).videos) == IMPORTED
    assert problems_of(path) == []


IMPORT_WITHOUT_END = """
import sys
from pathlib import Path
from finished_videos import RGB, finished
from seds_core.store.writer import BulkWriter

with BulkWriter(Path(sys.argv[1]), RGB, pack_rows=4) as writer:
    print(len(writer.videos), flush=True)
    for number in range(len(writer.videos), 1_000_000):
        writer.add(finished(f"video-{number:06}"))
        print(number, flush=True)
"""


def test_killed_at_any_moment_the_store_is_whole(tmp_path):
    path = tmp_path / "s.zarr"
    known = 0
    for num_added in (1, 6, 9):
        run = subprocess.Popen(
            [sys.executable, "-c", IMPORT_WITHOUT_END, path],
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}"},
        )
        with run:
            assert int(run.stdout.readline()) == known  # it goes on from what was committed
            for _ in range(num_added):
                run.stdout.readline()
            run.kill()
        videos = StoreReader(path).videos
        assert list(videos) == [f"video-{number:06}" for number in range(len(videos))]
        assert problems_of(path) == []
        known = len(videos)
    assert known > 0
    add_all(path, ["last-00"])
    for video_id in list(StoreReader(path).videos)[:-1]:
        np.testing.assert_array_equal(
            StoreReader(path).rows(video_id)["features"], finished(video_id).rows["features"]
        )
