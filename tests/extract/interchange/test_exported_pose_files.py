"""Exported ``.pose`` files give the same bits back, and others can read them."""

import pickle

import numpy as np
import pytest
from pose_format import Pose
from shared_data import shared_path

from extract.interchange.export import write_pose_file
from extract.interchange.imported import ImportItem
from extract.interchange.pose_files import open_pose_files
from seds_core.errors import UsageError


def read_again(path):
    return open_pose_files(path.parent, folder_fps=25.0).read(ImportItem(path.stem, path))


def random_keypoints(num_frames):
    keypoints = np.random.default_rng(0).normal(100, 50, (num_frames, 133, 3)).astype(np.float32)
    keypoints[..., 2] = np.abs(keypoints[..., 2]) / 200
    return keypoints


def test_every_bit_comes_back(tmp_path):
    keypoints = random_keypoints(5)
    keypoints[0] = np.nan, np.nan, 0.0  # nobody
    keypoints[1, 3] = 0.0, -0.0, 0.0
    keypoints[2, 4] = 12.5, -7.25, 0.0  # a place without confidence
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
