"""Exports that go through, that fail in part, and that are repeated."""

import json
import os
import pickle

import numpy as np
import pytest
from finished_videos import RGB, finished
from published_folders import (
    export_store,
    image_names,
    import_folder,
    keypoints,
    same_rows,
    write_features,
    write_keypoints,
    write_pickle,
)
from small_stores import POSE, pose_video, write_store

from extract.interchange import export
from seds_core.errors import UsageError
from seds_core.store.reader import StoreReader


@pytest.fixture
def run(capsys):
    """Exports; gives the exit code and the last event."""

    def run(store, out, form="published", **options):
        code = export_store(store, out, form, as_json=True, **options)
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


@pytest.fixture
def pose(tmp_path):
    return write_store(tmp_path / "pose.zarr", POSE, [pose_video("test/a", 95), pose_video("b", 9)])


def test_keypoints_of_our_own_store_name_their_frames(run, pose, tmp_path):
    code, summary = run(pose, tmp_path / "out")
    assert (code, summary["finished"], summary["failed"]) == (0, 2, {})
    exported = pickle.loads((tmp_path / "out/test/a.pkl").read_bytes())
    assert exported["img_list"] == image_names(range(1, 96, 3))
    rows = StoreReader(pose).rows("test/a")
    assert exported["keypoints"].tobytes() == rows["keypoints"].tobytes()


def test_frames_left_out_survive_the_way_there_and_back(run, tmp_path):
    names = image_names([4, 2, 7])
    value = {"keypoints": keypoints(3), "img_list": names}
    write_pickle(tmp_path / "in", "a", value)
    write_keypoints(tmp_path / "in", "b", 3)
    first, second = tmp_path / "1.zarr", tmp_path / "2.zarr"
    import_folder("published-keypoints", tmp_path / "in", first, as_json=True)
    run(first, tmp_path / "out")
    exported = pickle.loads((tmp_path / "out/a.pkl").read_bytes())
    assert exported["img_list"] == sorted(names)
    assert exported["keypoints"].tobytes() == value["keypoints"][[1, 0, 2]].tobytes()
    import_folder("published-keypoints", tmp_path / "out", second, as_json=True)
    assert same_rows(first, second)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_features_survive_the_way_there_and_back(run, tmp_path, dtype):
    write_features(tmp_path / "in", "a", 3, dtype)
    first, second = tmp_path / "1.zarr", tmp_path / "2.zarr"
    import_folder("published-features", tmp_path / "in", first, as_json=True)
    run(first, tmp_path / "out")
    exported = pickle.loads((tmp_path / "out/a.pkl").read_bytes())
    assert exported["name"] == "a"
    assert exported["feature"].dtype == dtype
    import_folder("published-features", tmp_path / "out", second, as_json=True)
    assert same_rows(first, second)


def test_pose_files_are_of_the_timeline_and_import_as_it_was(run, pose, tmp_path):
    assert run(pose, tmp_path / "out", "pose")[0] == 0
    assert import_folder("pose", tmp_path / "out", tmp_path / "again.zarr", as_json=True) == 0
    again, store = StoreReader(tmp_path / "again.zarr"), StoreReader(pose)
    for video_id in ("test/a", "b"):
        before, after = store.rows(video_id), again.rows(video_id)
        assert after["keypoints"].tobytes() == before["keypoints"].tobytes()
    entry = again.videos["test/a"]
    assert entry.fps == pytest.approx(25 / 3)
    assert (entry.width, entry.height) == (320, 240)


def test_features_are_no_pose_files(tmp_path):
    store = write_store(tmp_path / "rgb.zarr", RGB, [finished("a")])
    with pytest.raises(UsageError, match=r"\.pose files hold keypoints"):
        export_store(store, tmp_path / "out", "pose")
    assert not (tmp_path / "out").exists()


def test_files_that_are_there_are_left_unless_they_are_older(run, pose, tmp_path):
    out = tmp_path / "out"
    run(pose, out)
    (out / "b.pkl").write_bytes(b"somebody's own")
    assert run(pose, out)[1]["already_there"] == 2
    os.utime(out / "b.pkl", ns=(1, 1))
    _, summary = run(pose, out)
    assert (summary["finished"], summary["already_there"]) == (1, 1)
    assert len((out / "b.pkl").read_bytes()) > 1000
    assert run(pose, out, overwrite=True)[1]["finished"] == 2


@pytest.mark.parametrize("video_id", ["../a", "/tmp/a", "a/../../b", "..", ".", "a\0b"])
def test_ids_that_leave_the_folder_are_failures(run, tmp_path, video_id):
    good, bad = pose_video("a", 9), pose_video(video_id, 9)
    store = write_store(tmp_path / "sub/pose.zarr", POSE, [bad, good])
    code, summary = run(store, tmp_path / "sub/out")
    assert (code, summary["finished"]) == (3, 1)
    assert "outside the folder" in summary["failed"][video_id]
    assert [path.name for path in (tmp_path / "sub/out").iterdir()] == ["a.pkl"]
    assert [path.name for path in tmp_path.iterdir()] == ["sub"]


def test_a_file_in_the_way_is_a_failure(run, pose, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/test").write_text("a file where a folder should be")
    code, summary = run(pose, tmp_path / "out")
    assert (code, summary["finished"]) == (3, 1)
    assert "test/a" in summary["failed"]


def test_a_stopped_export_says_so(pose, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "write_pickle", stop)
    assert export_store(pose, tmp_path / "out") == 130


def test_the_summary_for_people(pose, tmp_path, capsys):
    assert export_store(pose, tmp_path / "out") == 0
    assert "files written" in capsys.readouterr().out
