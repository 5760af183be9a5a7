"""Exports that go through, that fail in part, that are repeated, and the files they write."""

import json
import os
import pickle
import pickletools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finished_videos import RGB, finished
from pose_format import Pose
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
from shared_data import shared_path

from extract.interchange import export
from extract.interchange.export import (
    portable,
    published_features,
    published_keypoints,
    write_pose_file,
)
from extract.interchange.imported import ImportItem
from extract.interchange.keypoint_video import no_person_found
from extract.interchange.pose_files import open_pose_files
from reference.small_stores import POSE, pose_video, write_store
from seds_core.errors import UsageError
from seds_core.store.provenance import ImportedFrom
from seds_core.store.reader import StoreReader
from seds_core.untrusted_pickles import parse_pickle


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
    (out / "b.pkl").write_bytes(b"a file of the user's")
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


IMPORTED = replace(
    POSE,
    imported_from=ImportedFrom(format="test", frame_names="%06d.jpg", first_number=0),
)


def test_rows_of_our_own_store_are_all_written():
    points = np.concatenate([keypoints(2), no_person_found(1)])
    exported = published_keypoints(points, np.array([0, 2, 4], np.int32), POSE)
    assert exported["img_list"] == image_names([1, 3, 5])
    assert exported["keypoints"] is points


def test_frames_left_out_of_imported_files_are_left_out_again():
    points = no_person_found(6)
    points[[1, 3]] = keypoints(2)
    points[4, 7, 2] = -0.0  # a zero that was found: not a frame left out
    exported = published_keypoints(points, np.arange(6, dtype=np.int32), IMPORTED)
    assert exported["img_list"] == [f"{number:06d}.jpg" for number in (1, 3, 4, 5)]
    assert exported["keypoints"].tobytes() == points[[1, 3, 4, 5]].tobytes()


@pytest.mark.parametrize("value", [keypoints(1), keypoints(400), np.ones((2, 8), np.float16)])
def test_pickles_name_what_every_numpy_knows(value):
    content = portable(pickle.dumps({"a": value, "list": ["x"] * 3}, protocol=4))
    texts = [argument for _, argument, _ in pickletools.genops(content)]
    assert "numpy.core.multiarray" in texts
    assert "numpy._core.multiarray" not in texts
    for read in (pickle.loads, lambda content: parse_pickle(content, Path("x"))):
        found = read(content)
        assert found["list"] == ["x"] * 3
        assert found["a"].dtype == value.dtype
        np.testing.assert_array_equal(found["a"], value)


def test_a_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "a.pkl"
    export.write_pickle(path, published_features("a", np.ones((2, 8), np.float32)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.pkl"]
    found = pickle.loads(path.read_bytes())
    assert found["name"] == "a"
    np.testing.assert_array_equal(found["feature"], np.ones((2, 8)))


def read_again(path):
    return open_pose_files(path.parent, folder_fps=25.0).read(ImportItem(path.stem, path))


def random_keypoints(num_frames):
    keypoints = np.random.default_rng(0).normal(100, 50, (num_frames, 133, 3)).astype(np.float32)
    keypoints[..., 2] = np.abs(keypoints[..., 2]) / 200
    return keypoints


def test_every_bit_comes_back(tmp_path):
    keypoints = random_keypoints(5)
    keypoints[0] = np.nan, np.nan, 0.0  # no person
    keypoints[1, 3] = 0.0, -0.0, 0.0
    keypoints[2, 4] = 12.5, -7.25, 0.0  # a position without confidence
    keypoints[3, 5, 0] = np.uint32(0x7FC00123).view(np.float32)  # an unusual NaN
    keypoints[3, 5, 2] = -0.0
    keypoints[4, 6] = np.float32(1e-42), np.float32(3e38), np.float32(1e-45)
    path = tmp_path / "a.pose"
    write_pose_file(path, keypoints, 30000 / 1001, (1280, 720))
    video = read_again(path)
    assert video.rows["keypoints"].tobytes() == keypoints.tobytes()
    assert video.rows["person_found"].tolist() == [False, True, True, True, True]
    assert (video.width, video.height) == (1280, 720)
    assert video.fps == np.float32(30000 / 1001)
    assert list(tmp_path.iterdir()) == [path]


def test_the_library_sees_names_and_masks_what_was_not_found(tmp_path):
    keypoints = random_keypoints(2)
    keypoints[1, 91:112] = np.nan, np.nan, 0.0
    path = tmp_path / "a.pose"
    write_pose_file(path, keypoints, 25.0, (210, 260))
    pose = Pose.read(path.read_bytes())
    assert [part.name for part in pose.header.components] == [
        "BODY", "FACE", "LEFT_HAND", "RIGHT_HAND"
    ]  # fmt: skip
    wrist = pose.header.get_point_index("LEFT_HAND", "hand_0")
    assert pose.body.data[0, 0, wrist].tolist() == keypoints[0, 91, :2].tolist()
    assert pose.body.data[1, 0, wrist].mask.all()
    assert not pose.body.data.mask[:, :, :91].any()


@pytest.mark.parametrize("size", [(0, 10), (10, 65_536)])
def test_sizes_that_the_format_cannot_name_are_refused(tmp_path, size):
    with pytest.raises(UsageError, match=r"a\.pose: \.pose files are of 1 to 65535 pixels"):
        write_pose_file(tmp_path / "a.pose", random_keypoints(1), 25.0, size)
    assert not list(tmp_path.iterdir())


@pytest.mark.shared
@pytest.mark.parametrize(("data_set", "size"), [("karsl70", (256, 256)), ("asl78", (640, 640))])
def test_real_keypoints_come_back(tmp_path, data_set, size):
    files = sorted(shared_path(f"realsigns/{data_set}/keypoints").glob("*.pkl"))[::40]
    for file in files:
        with file.open("rb") as stream:
            keypoints = np.asarray(pickle.load(stream)["keypoints"], np.float32)
        path = tmp_path / f"{file.stem}.pose"
        write_pose_file(path, keypoints, 25.0, size)
        assert read_again(path).rows["keypoints"].tobytes() == keypoints.tobytes()
    assert files
