import os
import threading
from dataclasses import replace

import numpy as np
import pytest
import zarr
from finished_videos import RGB, finished

from seds_core.store.arrays import StoreArrays
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader, VideoNotInStoreError
from seds_core.store.staging import FailedVideo, Staging
from seds_core.store.writer import StoreWriter


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
        monkeypatch.setattr(Staging, "clear", lambda self: None)
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

    original = StoreArrays._extend
    monkeypatch.setattr(StoreArrays, "_extend", die_after_rows)
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
    assert store.failures["a"]["reason"] == "it is empty"
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
    StoreArrays.create(path, RGB)
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
