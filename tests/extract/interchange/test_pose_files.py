"""``.pose`` files of three detectors are read, and hostile ones refused."""

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from pose_format import Pose, PoseHeader
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeaderComponent, PoseHeaderDimensions
from pose_format.utils.cocowholebody133_header import cocowholebody_components

from extract.interchange import pose_files
from extract.interchange.imported import ImportItem
from extract.interchange.pose_files import (
    HAND_POINTS,
    HOLISTIC_POINTS,
    KNOWN_POINTS,
    keypoint_indices,
    open_pose_files,
)
from extract.pose.mediapipe_estimator import BODY_POINTS, FACE_MESH_POINTS, POSE_NAMES
from seds_core.errors import ImportedFileError, UsageError
from seds_core.keypoints import BODY, FACE, FEET, LEFT_HAND, RIGHT_HAND


def write(path, components, data, confidence, *, size=(4000, 4000), fps=25.0):
    """``data`` (frame, person, point, dimension), as pose-format's own programs write it."""
    header = PoseHeader(0.2, PoseHeaderDimensions(*size), components)
    with path.open("wb") as file:
        Pose(header, NumPyPoseBody(fps, data, confidence)).write(file)


def numbered(num_frames, num_people, num_points, dimensions=2):
    """Point i of person p in frame f lies at x = i, y = 1000 f + 100 p."""
    data = np.zeros((num_frames, num_people, num_points, dimensions), np.float32)
    data[..., 0] = np.arange(num_points)
    data[..., 1] = 1000 * np.arange(num_frames)[:, None, None]
    data[..., 1] += 100 * np.arange(num_people)[:, None]
    return data, np.full(data.shape[:3], 0.75, np.float32)


def read(path):
    files = open_pose_files(path, folder_fps=25.0)
    return files.read(*files.items)


def component(name, points, point_format="XYC"):
    return PoseHeaderComponent(name, list(points), [], [], point_format)


def test_the_provenance_names_the_format(tmp_path):
    with pytest.raises(UsageError, match=r"no \.pose files"):
        open_pose_files(tmp_path, folder_fps=30.0)
    (tmp_path / "a.pose").touch()
    provenance = open_pose_files(tmp_path, folder_fps=30.0).provenance
    assert provenance.imported_from.format == "pose"
    assert provenance.recorded_settings["frames"] == {"max_frames": None, "folder_fps": 30.0}


def test_whole_body_files_are_read_as_they_are(tmp_path):
    path = tmp_path / "a.pose"
    data, confidence = numbered(3, 1, 133)
    confidence[1] = 0  # zeroed, as mmposewholebody.py writes a frame without a person
    data[1] = 0
    data[2, 0, 7] = -3.5, np.float32(0.1)
    write(path, cocowholebody_components(), data, confidence, size=(640, 480), fps=29.97)
    video = read(path)
    assert (video.width, video.height, video.num_frames, video.frame_step) == (640, 480, 3, 1)
    assert video.fps == pytest.approx(29.97, abs=1e-5)
    keypoints = video.rows["keypoints"]
    assert keypoints[..., :2].tobytes() == data[:, 0].tobytes()
    assert keypoints[..., 2].tobytes() == confidence[:, 0].tobytes()
    assert video.rows["person_found"].tolist() == [True, False, True]


def test_openpose_points_are_found_by_name(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an escape sequence in its source
        from pose_format.utils.openpose import OpenPose_Components
    path = tmp_path / "a.pose"
    write(path, OpenPose_Components, *numbered(2, 1, 25 + 70 + 21 + 21))
    x = read(path).rows["keypoints"][0, :, 0]
    assert x[:3].tolist() == [0, 16, 15]  # nose, left eye, right eye
    assert x[FEET].tolist() == [19, 20, 21, 22, 23, 24]
    assert x[FACE].tolist() == list(range(25, 93))
    assert x[LEFT_HAND].tolist() == list(range(95, 116))
    assert x[RIGHT_HAND].tolist() == list(range(116, 137))


def test_holistic_points_are_found_by_name_and_the_world_is_left_out(tmp_path):
    hands = [point for part, point in KNOWN_POINTS[2].points if part == "LEFT_HAND_LANDMARKS"]
    body = [name.upper() for name in POSE_NAMES]
    components = [
        component("POSE_LANDMARKS", body, "XYZC"),
        component("FACE_LANDMARKS", map(str, range(468)), "XYZC"),
        component("LEFT_HAND_LANDMARKS", hands, "XYZC"),
        component("RIGHT_HAND_LANDMARKS", hands, "XYZC"),
        component("POSE_WORLD_LANDMARKS", body, "XYZC"),
    ]
    path = tmp_path / "a.pose"
    write(path, components, *numbered(2, 1, 33 + 468 + 42 + 33, dimensions=3))
    keypoints = read(path).rows["keypoints"]
    x = keypoints[1, :, 0]
    assert x[BODY.start : FEET.stop].tolist() == list(BODY_POINTS)
    assert x[FACE].tolist() == [33 + point for point in FACE_MESH_POINTS]
    assert x[LEFT_HAND].tolist() == list(range(501, 522))
    assert x[RIGHT_HAND].tolist() == list(range(522, 543))
    assert (keypoints[1, :, 1:] == (1000, 0.75)).all()


def test_points_that_the_file_lacks_are_nan(tmp_path):
    path = tmp_path / "a.pose"
    write(path, [component("POSE_LANDMARKS", ["LEFT_WRIST", "NOSE"])], *numbered(2, 1, 2))
    keypoints = read(path).rows["keypoints"]
    assert keypoints[0, [0, 9], 0].tolist() == [1, 0]
    assert np.isnan(np.delete(keypoints, [0, 9], axis=1)[..., :2]).all()
    assert (np.delete(keypoints, [0, 9], axis=1)[..., 2] == 0).all()


def test_the_surest_of_several_people_is_taken_in_whatever_order_they_stand(tmp_path):
    data, confidence = numbered(3, 3, 133)
    data[..., 0] *= 0.1
    data[..., 1] = 100 * np.arange(3)[None, :, None]
    confidence[:, 0] = 0  # never seen
    confidence[:, 1] = 0.6
    data[1, [1, 2]] = data[1, [2, 1]]
    confidence[1, [1, 2]] = confidence[1, [2, 1]]
    confidence[2] = 0
    path = tmp_path / "a.pose"
    write(path, cocowholebody_components(), data, confidence)
    video = read(path)
    assert video.rows["keypoints"][:2, 5, 1].tolist() == [200, 200]
    assert video.rows["person_found"].tolist() == [True, True, False]
    assert video.num_people == 2


def test_more_people_than_a_video_has_are_refused(tmp_path):
    path = tmp_path / "a.pose"
    write(path, cocowholebody_components(), *numbered(1, 21, 133))
    refused(path, path.read_bytes(), "21 people")


@pytest.fixture
def whole(tmp_path):
    """The bytes of a good file: 4 frames, and where its body begins."""
    path = tmp_path / "whole.pose"
    write(path, cocowholebody_components(), *numbered(4, 1, 133))
    content = path.read_bytes()
    return content, len(content) - 4 * 133 * 3 * 4 - 10


def refused(path, content, reason):
    path.write_bytes(content)
    with pytest.raises(ImportedFileError, match=reason):
        open_pose_files(path, folder_fps=25.0).read(ImportItem("x", path))


def test_damaged_files_are_refused(tmp_path, whole):
    content, body = whole
    path = tmp_path / "x.pose"
    for length in (0, 3, 5, 40, body, body + 9, body + 10, len(content) - 1):
        refused(path, content[:length], "is no .pose file|is damaged or cut off")
    for version in (0.0, 0.3, 1e30, float("nan"), float("inf")):
        refused(path, struct.pack("<f", version) + content[4:], "is no .pose file of version")
    with pytest.raises(ImportedFileError, match="No such file"):
        open_pose_files(path, folder_fps=25.0).read(ImportItem("y", tmp_path / "y.pose"))


@pytest.mark.parametrize(
    ("frames", "people", "reason"),
    [
        (2**32 - 1, 1, "damaged"),
        (2**32 - 1, 2**16 - 1, "damaged"),
        (5, 1, "damaged"),
        (2**32 - 1, 0, "frames of 0 people"),
        (4, 0, "frames of 0 people"),
        (0, 1, "has 0 frames"),
    ],
)
def test_counts_beyond_the_files_size_are_refused(tmp_path, whole, frames, people, reason):
    content, body = whole
    counts = struct.pack("<IH", frames, people)
    hostile = content[: body + 4] + counts + content[body + 10 :]
    refused(tmp_path / "x.pose", hostile, reason)


def test_a_version_0_1_file_counts_its_frames_by_its_size(tmp_path, whole):
    content, body = whole
    path = tmp_path / "old.pose"
    old = struct.pack("<f", 0.1) + content[4:body]
    path.write_bytes(old + struct.pack("<HHH", 24, 4, 1) + content[body + 10 :])
    video = read(path)
    assert (video.num_frames, video.fps) == (4, 24.0)
    assert (video.rows["keypoints"][3, :, 1] == 3000).all()
    refused(path, old + struct.pack("<HHH", 24, 4, 0) + content[body + 10 :], "damaged")


@pytest.mark.parametrize(
    ("size", "fps"), [((0, 10), 25.0), ((10, 0), 25.0), ((10, 10), 0.0), ((10, 10), np.nan)]
)
def test_a_header_must_give_a_size_and_a_frame_rate(tmp_path, size, fps):
    path = tmp_path / "x.pose"
    write(path, cocowholebody_components(), *numbered(1, 1, 133), size=size, fps=fps)
    refused(path, path.read_bytes(), "pixels and .* frames a second")


def test_few_points_do_not_become_endless_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(pose_files, "MAX_FRAMES", 100)
    path = tmp_path / "x.pose"
    write(path, [component("BODY", ["nose"])], *numbered(101, 1, 1))
    refused(path, path.read_bytes(), "has 101 frames")


def test_a_large_file_is_refused(tmp_path, monkeypatch, whole):
    monkeypatch.setattr(pose_files, "MAX_BYTES", 100)
    refused(tmp_path / "x.pose", whole[0], "read up to 100: split it")


def test_nan_with_confidence_is_refused(tmp_path):
    path = tmp_path / "x.pose"
    data, confidence = numbered(2, 1, 133)
    data[1, 0, 4, 0] = np.nan
    write(path, cocowholebody_components(), data, confidence)
    refused(path, path.read_bytes(), "NaN or infinite")


FILE = Path("a.pose")


def test_whole_body_points_stand_in_their_own_order():
    assert keypoint_indices(FILE, cocowholebody_components()).tolist() == list(range(133))


def test_points_count_through_all_components_and_missing_ones_have_no_index():
    parts = [
        component("POSE_WORLD_LANDMARKS", ["NOSE", "LEFT_SHOULDER"], "XYZC"),
        component("LEFT_HAND_LANDMARKS", reversed(HAND_POINTS), "XYZC"),
        component("POSE_LANDMARKS", ["RIGHT_WRIST", "NOSE"], "XYZC"),
    ]
    indices = keypoint_indices(FILE, parts)
    assert indices[LEFT_HAND].tolist() == list(range(22, 1, -1))
    assert (indices[10], indices[0]) == (23, 24)
    assert np.flatnonzero(indices >= 0).tolist() == [0, 10, *range(91, 112)]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "has the components none; known are those of COCO-WholeBody .BODY, FACE"),
        ([component("SKELETON", ["a"])], "has the components SKELETON; known .*OpenPose"),
        (
            [component("BODY", ["nose"]), component("POSE_LANDMARKS", ["NOSE"])],
            "has the components BODY, POSE_LANDMARKS; known",
        ),
        ([component("BODY", ["pelvis"])], "none of its points' names"),
        ([component("POSE_WORLD_LANDMARKS", ["NOSE"], "XYZC")], "none of its points' names"),
        ([component("BODY", ["nose"], "XY")], "has the coordinates 'XY' in BODY"),
        ([component("BODY", ["nose"], "CYX")], "has the coordinates 'CYX' in BODY"),
    ],
)
def test_unknown_points_are_named(parts, reason):
    with pytest.raises(ImportedFileError, match=reason):
        keypoint_indices(FILE, parts)


def test_every_keypoint_has_a_point():
    assert len(HOLISTIC_POINTS) == 133
    assert len(set(HAND_POINTS)) == 21


@pytest.mark.parametrize(
    ("keypoint", "component", "point"),
    [
        (0, "POSE_LANDMARKS", "NOSE"),
        (5, "POSE_LANDMARKS", "LEFT_SHOULDER"),
        (10, "POSE_LANDMARKS", "RIGHT_WRIST"),
        (17, "POSE_LANDMARKS", "LEFT_FOOT_INDEX"),
        (18, "POSE_LANDMARKS", "LEFT_FOOT_INDEX"),
        (22, "POSE_LANDMARKS", "RIGHT_HEEL"),
        (23, "FACE_LANDMARKS", str(FACE_MESH_POINTS[0])),
        (90, "FACE_LANDMARKS", str(FACE_MESH_POINTS[67])),
        (91, "LEFT_HAND_LANDMARKS", "WRIST"),
        (95, "LEFT_HAND_LANDMARKS", "THUMB_TIP"),
        (99, "LEFT_HAND_LANDMARKS", "INDEX_FINGER_TIP"),
        (132, "RIGHT_HAND_LANDMARKS", "PINKY_TIP"),
    ],
)
def test_points(keypoint, component, point):
    assert HOLISTIC_POINTS[keypoint] == (component, point)


def test_names_are_mediapipes_own():
    solutions = pytest.importorskip("mediapipe").solutions.holistic
    assert list(HAND_POINTS) == [point.name for point in solutions.HandLandmark]
    body = {point.name for point in solutions.PoseLandmark}
    assert {p for c, p in HOLISTIC_POINTS if c == "POSE_LANDMARKS"} <= body
