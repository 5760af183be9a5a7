"""MMPose's prediction files, in both of its forms, become rows."""

import json

import numpy as np
import pytest

from extract.interchange.coco_wholebody import open_predictions
from extract.interchange.imported import VideoFacts
from seds_core.errors import ImportedFileError


def person(x=0.0, score=0.5, count=133, scores=None):
    return {
        "keypoints": [[x + i, 2.0 * i] for i in range(count)],
        "keypoint_scores": [score] * (count if scores is None else scores),
        "bbox": [[0, 0, 1, 1]],
        "bbox_score": 1.0,
    }


def frames(first, *people):
    return [{"frame_id": first + i, "instances": p} for i, p in enumerate(people)]


def read(tmp_path, content):
    (tmp_path / "clip.json").write_text(json.dumps(content))
    source = open_predictions(tmp_path, lambda _: VideoFacts(640, 360, 25.0), folder_fps=25.0)
    (item,) = source.items
    assert item.video_id == "clip"
    return source.read(item)


@pytest.mark.parametrize(
    "content",
    [
        {"meta_info": {"x": [1]}, "instance_info": frames(1, [person(7)], [], [person(9)])},
        frames(0, [person(7)], [], [person(9)]),
    ],
    ids=["demonstration", "inferencer"],
)
def test_both_forms_are_read(tmp_path, content):
    video = read(tmp_path, content)
    assert (video.num_frames, video.width, video.height) == (3, 640, 360)
    assert video.rows["person_found"].tolist() == [True, False, True]
    keypoints = video.rows["keypoints"]
    assert keypoints[0, :, 0].tolist() == list(range(7, 140))
    assert keypoints[0, :, 1].tolist() == list(range(0, 266, 2))
    assert (keypoints[2, :, 2] == 0.5).all()
    assert np.isnan(keypoints[1, :, :2]).all()


def test_the_size_must_be_that_of_the_images(tmp_path):
    with pytest.raises(ImportedFileError, match="outside an image of 640x360"):
        read(tmp_path, frames(0, [person(5000)]))


def test_the_most_confident_person_is_taken(tmp_path):
    video = read(tmp_path, frames(0, [person(1, 0.2), person(2, 0.9), person(3, 0.3)]))
    assert video.rows["keypoints"][0, 0, 0] == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (frames(0, [person(count=17)]), "has 17 keypoints and 17 scores .* whole-body model"),
        (frames(0, [person(scores=17)]), "has 133 keypoints and 17 scores"),
        (frames(0, [person(float("nan"))]), "instance_info.0.instances.0.keypoints.0.0"),
        (frames(0, [{"keypoints": [[1, 2, 3]], "keypoint_scores": [1]}]), "keypoints.0: "),
        (frames(0, []) * 2, "has frame 0 twice"),
        (frames(3, []), "begins with frame 3"),
        ([], "has no frames"),
        ({"instance_info": [person()]}, "instance_info.0.frame_id: Field required"),
        ({"images": [], "annotations": []}, "annotations of many videos; name this file"),
        (3, "clip.json: Input should be"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, content, reason):
    with pytest.raises(ImportedFileError, match=reason):
        read(tmp_path, content)
