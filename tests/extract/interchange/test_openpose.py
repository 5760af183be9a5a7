"""OpenPose's JSON folders, in the form of How2Sign's release, become rows."""

import json
import warnings

import numpy as np
import pytest

from extract.interchange.imported import VideoFacts
from extract.interchange.openpose import (
    BODY_25,
    BODY_INDICES,
    COCO_18,
    OPENPOSE_POINTS,
    open_openpose,
    openpose_name,
    whole_body_keypoints,
)
from seds_core.errors import ImportedFileError, UsageError
from seds_core.keypoints import BODY, BODY_NAMES, FACE, FEET, LEFT_HAND, RIGHT_HAND

CLIP = "-fZc293MpJk_0-1-rgb_front"


def triples(count, x, confidence=0.5):
    return [number for i in range(count) for number in (x + i, 100.0 + i, confidence)]


def person(x=0.0, confidence=0.5, **parts):
    """Point i of the body lies at x + i, of the hands at x + 200 + i and x + 300 + i."""
    return {
        "person_id": [-1],
        "pose_keypoints_2d": triples(25, x, confidence),
        "face_keypoints_2d": triples(70, x + 100, confidence),
        "hand_left_keypoints_2d": triples(21, x + 200, confidence),
        "hand_right_keypoints_2d": triples(21, x + 300, confidence),
        "pose_keypoints_3d": [],
        "hand_left_keypoints_3d": [],
    } | parts


def write_frames(source, frames, clip=CLIP):
    folder = source / clip
    folder.mkdir(exist_ok=True)
    for number, people in frames.items():
        name = f"{clip}_{number:012d}_keypoints.json"
        (folder / name).write_text(json.dumps({"version": 1.3, "people": people}))


def folders(source):
    return open_openpose(source, lambda _: VideoFacts(1280, 720, 24.0), folder_fps=25.0)


def read(source):
    (item,) = folders(source).items
    assert item.video_id == CLIP
    return folders(source).read(item)


def test_the_provenance_names_the_format(tmp_path):
    (tmp_path / CLIP).mkdir()
    assert folders(tmp_path).provenance.imported_from.format == "openpose"


def test_a_released_clip_is_read(tmp_path):
    write_frames(tmp_path, {0: [person(0)], 1: [], 3: [person(800)]})
    (tmp_path / CLIP / "notes.txt").touch()
    video = read(tmp_path)
    assert (video.num_frames, video.width, video.height, video.fps) == (4, 1280, 720, 24.0)
    assert video.rows["person_found"].tolist() == [True, False, False, True]
    x = video.rows["keypoints"][..., 0]
    assert x[0, BODY][:3].tolist() == [0, 16, 15]
    assert x[0, FEET].tolist() == [19, 20, 21, 22, 23, 24]
    assert x[0, FACE].tolist() == list(range(100, 168))
    assert x[0, LEFT_HAND].tolist() == list(range(200, 221))
    assert x[3, RIGHT_HAND].tolist() == list(range(1100, 1121))
    assert np.isnan(x[1:3]).all()
    assert video.rows["frame"].tolist() == [0, 1, 2, 3]


def test_frames_of_images_count_from_1(tmp_path):
    (tmp_path / CLIP).mkdir()
    for number in (1, 2):
        text = json.dumps({"people": [person(number)]})
        (tmp_path / CLIP / f"images{number:04d}_keypoints.json").write_text(text)
    assert read(tmp_path).rows["keypoints"][:, 0, 0].tolist() == [1, 2]


def test_the_size_must_be_that_of_the_images(tmp_path):
    write_frames(tmp_path, {0: [person(5000)]})
    with pytest.raises(ImportedFileError, match="outside an image of 1280x720"):
        read(tmp_path)


def test_the_signer_is_taken_and_the_people_are_counted(tmp_path):
    write_frames(tmp_path, {0: [person(0, 0.3), person(50, 0.6), person(90, 0.5)], 1: []})
    video = read(tmp_path)
    assert video.rows["keypoints"][0, 0, 0] == 50
    assert video.num_people == 3


@pytest.mark.parametrize("count", [18, 25])
def test_files_of_openpose_1_1_have_the_same_parts_under_older_names(tmp_path, count):
    new = person(7, pose_keypoints_2d=triples(count, 7))
    write_frames(tmp_path, {0: [new]})
    expected = read(tmp_path).rows["keypoints"]
    old = {name.removesuffix("_2d"): values for name, values in new.items()}
    write_frames(tmp_path, {0: [old]})
    np.testing.assert_array_equal(read(tmp_path).rows["keypoints"], expected)
    assert (expected[0, [0, 5, 16], 0] == [7, 12, 7 + (11 if count == 25 else 10)]).all()


def test_points_of_the_18_point_body_are_those_that_openpose_names():
    """Order of OpenPose's COCO model, from its documentation."""
    names = (
        "nose neck rsho relb rwri lsho lelb lwri rhip rkne rank lhip lkne lank reye leye rear lear"
    )
    order = names.split()
    wanted = "nose leye reye lear rear lsho rsho lelb relb lwri rwri lhip rhip lkne rkne lank rank"
    assert BODY_INDICES[18][:17].tolist() == [order.index(name) for name in wanted.split()]
    assert (BODY_INDICES[18][17:] == -1).all()


@pytest.mark.parametrize("stranger", [{}, {"person_id": [-1]}, {"keypoints": [1, 2, 3]}])
def test_a_person_without_any_known_part_is_a_failure(tmp_path, stranger):
    write_frames(tmp_path, {0: [person()], 1: [stranger]})
    with pytest.raises(ImportedFileError, match="has none of pose_keypoints_2d"):
        read(tmp_path)


def test_points_that_were_not_found_stay_as_they_are_and_missing_parts_are_nan(tmp_path):
    parts = {"hand_left_keypoints_2d": [0] * 63, "face_keypoints_2d": []}
    write_frames(tmp_path, {0: [person(7, pose_keypoints_2d=triples(18, 7), **parts)]})
    keypoints = read(tmp_path).rows["keypoints"][0]
    assert (keypoints[LEFT_HAND] == 0).all()
    assert np.isnan(keypoints[FACE, :2]).all()
    assert np.isnan(keypoints[FEET, :2]).all()
    assert (keypoints[FACE, 2] == 0).all()
    assert keypoints[16, 0] == 7 + 10


@pytest.mark.parametrize(
    ("people", "reason"),
    [
        ([person(pose_keypoints_2d=triples(15, 0))], "pose_keypoints_2d has 45 .* 75 or 54"),
        ([person(face_keypoints_2d=triples(68, 0))], "face_keypoints_2d has 204 numbers .* 210"),
        ([person(hand_left_keypoints_2d=[1, 2])], "hand_left_keypoints_2d has 2 numbers .* 63"),
        ([person(hand_right_keypoints_2d=[float("nan")] * 63)], "people.0.hand_right_keypoints"),
        ([person(pose_keypoints_2d=["a"])], "people.0.pose_keypoints"),
        ({"pose_keypoints_2d": []}, "people: Input should be a valid"),
        (None, "people: Input should be a valid"),
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused(tmp_path, people, reason):
    write_frames(tmp_path, {0: [person()], 1: people})
    with pytest.raises(
        ImportedFileError, match=rf"{CLIP}_000000000001_keypoints\.json: .*{reason}"
    ):
        read(tmp_path)


def test_folders_that_are_no_videos_are_refused(tmp_path):
    (tmp_path / CLIP).mkdir()
    with pytest.raises(ImportedFileError, match="holds no files"):
        read(tmp_path)
    write_frames(tmp_path, {5: [person()]})
    with pytest.raises(ImportedFileError, match="begins with frame 5"):
        read(tmp_path)
    (tmp_path / CLIP / "other_5_keypoints.json").write_text("{}")
    with pytest.raises(ImportedFileError, match="are the same frame"):
        read(tmp_path)


def test_a_source_without_folders_is_an_error(tmp_path):
    (tmp_path / ".cache").mkdir()
    with pytest.raises(UsageError, match="holds no folders"):
        folders(tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        folders(tmp_path / "nowhere")


def numbered(count, start=0.0):
    """Point i lies at (start + i, -i) with confidence 0.5."""
    index = np.arange(count, dtype=np.float32)
    return np.stack([start + index, -index, np.full(count, 0.5, np.float32)], axis=1)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("nose", "Nose"), ("left_eye", "LEye"), ("right_small_toe", "RSmallToe")],
)
def test_names(ours, theirs):
    assert openpose_name(ours) == theirs


@pytest.mark.parametrize(
    ("keypoint", "index"),
    # COCO-WholeBody's number and OpenPose's BODY_25 number, both from their documentation
    [(0, 0), (1, 16), (2, 15), (3, 18), (4, 17), (5, 5), (6, 2), (7, 6), (8, 3), (9, 7), (10, 4),
     (11, 12), (12, 9), (13, 13), (14, 10), (15, 14), (16, 11),
     (17, 19), (18, 20), (19, 21), (20, 22), (21, 23), (22, 24)],
)  # fmt: skip
def test_body_25(keypoint, index):
    keypoints = whole_body_keypoints(numbered(25), None, None, None)
    assert keypoints[keypoint].tolist() == [index, -index, 0.5]


def test_the_coco_body_has_no_feet():
    keypoints = whole_body_keypoints(numbered(18), None, None, None)
    assert keypoints[:17, 0].tolist() == [COCO_18.index(openpose_name(name)) for name in BODY_NAMES]
    assert keypoints[5, 0] == 5
    assert keypoints[16, 0] == 10
    assert np.isnan(keypoints[FEET, :2]).all()
    assert (keypoints[FEET, 2] == 0).all()


def test_face_and_hands_keep_their_order_and_the_pupils_are_left_out():
    keypoints = whole_body_keypoints(None, numbered(70), numbered(21, 100), numbered(21, 200))
    assert keypoints[FACE, 0].tolist() == list(range(68))
    assert keypoints[LEFT_HAND, 0].tolist() == list(range(100, 121))
    assert keypoints[RIGHT_HAND, 0].tolist() == list(range(200, 221))
    assert np.isnan(keypoints[:23, :2]).all()


def test_names_are_those_of_the_pose_library():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an escape sequence in its source
        from pose_format.utils import openpose
    points = {part.name: list(part.points) for part in openpose.OpenPose_Components}
    assert list(BODY_25) == points["pose_keypoints_2d"]
    assert len(OPENPOSE_POINTS) == 133
    for component, point in OPENPOSE_POINTS:
        assert point in points[component]
    face = [point for component, point in OPENPOSE_POINTS if component == "face_keypoints_2d"]
    assert face == points["face_keypoints_2d"][:68]
    for hand in ("hand_left_keypoints_2d", "hand_right_keypoints_2d"):
        assert [p for component, p in OPENPOSE_POINTS if component == hand] == points[hand]
