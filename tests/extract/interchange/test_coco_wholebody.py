"""COCO-WholeBody annotations and MMPose's predictions become rows."""

import json

import numpy as np
import pytest
from shared_data import shared_path

from extract.interchange.coco_wholebody import (
    open_annotations,
    open_coco_wholebody,
    open_predictions,
)
from extract.interchange.imported import VideoFacts
from seds_core.errors import ImportedFileError, UsageError
from seds_core.keypoints import BODY, FACE, FEET, LEFT_HAND, RIGHT_HAND


def opened(path):
    return open_coco_wholebody(path, lambda _: VideoFacts(1, 1, 25.0), folder_fps=25.0)


IMAGE = {"id": 1, "file_name": "v/0.jpg", "width": 9, "height": 9}


@pytest.mark.parametrize(
    ("content", "video_id", "confidence"),
    [
        ({"images": [IMAGE], "annotations": []}, "v", "visibility flag"),
        ({"meta_info": {}, "instance_info": []}, "a", "score"),
        ([], "a", "score"),
    ],
)
def test_files_and_folders_of_them(tmp_path, content, video_id, confidence):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    files = opened(path)
    assert [item.video_id for item in files.items] == [video_id]
    assert files.provenance.imported_from.format == "coco-wholebody"
    assert confidence in files.provenance.imported_from.confidence
    assert "score" in opened(tmp_path).provenance.imported_from.confidence


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"people": []}', "has the keys people; needed are images and annotations"),
        ("{}", "has the keys none"),
        ("{", "Invalid JSON"),
        ('{"images": [{}], "annotations": []}', "images.0.id: Field required"),
    ],
)
def test_other_files_are_an_error(tmp_path, text, reason):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"a\.json.*{reason}"):
        opened(path)
    with pytest.raises(UsageError, match="No such file"):
        opened(tmp_path / "none.json")


def triples(count, x, flag=2):
    return [number for i in range(count) for number in (x + i, 50.0 + i, flag)]


def annotation(image_id, x=0.0, flag=2, **parts):
    return {
        "image_id": image_id,
        "id": 1,
        "category_id": 1,
        "keypoints": triples(17, x, flag),
        "foot_kpts": triples(6, x + 100, flag),
        "face_kpts": triples(68, x + 200, flag),
        "lefthand_kpts": triples(21, x + 300, flag),
        "righthand_kpts": triples(21, x + 400, flag),
        "foot_valid": True,
        "face_valid": True,
        "lefthand_valid": True,
        "righthand_valid": True,
    } | parts


def image(image_id, file_name, width=512, height=256):
    return {"id": image_id, "file_name": file_name, "width": width, "height": height}


def annotations_opened(tmp_path, images, annotations):
    content = {"images": images, "annotations": annotations, "categories": []}
    facts = VideoFacts(1, 1, 30.0)  # the size in the file is the one that counts
    return open_annotations(tmp_path / "a.json", content, lambda _: facts, folder_fps=25.0)


def read_annotations(*args):
    source = annotations_opened(*args)
    (item,) = source.items
    return source.read(item)


def test_videos_are_the_folders_of_the_images(tmp_path):
    images = [image(5, "b/c/000001.jpg"), image(6, "a\\000000.png"), image(7, "b/c/000000.jpg")]
    source = annotations_opened(tmp_path, images, [annotation(7, 10), annotation(5, 20)])
    assert [item.video_id for item in source.items] == ["a", "b/c"]
    empty, video = (source.read(item) for item in source.items)
    assert empty.rows["person_found"].tolist() == [False]
    assert (video.width, video.height, video.fps, video.num_frames) == (512, 256, 30.0, 2)
    x = video.rows["keypoints"][..., 0]
    assert x[0, BODY].tolist() == list(range(10, 27))
    assert x[1, FEET].tolist() == list(range(120, 126))
    assert x[1, FACE].tolist() == list(range(220, 288))
    assert x[1, LEFT_HAND].tolist() == list(range(320, 341))
    assert x[1, RIGHT_HAND].tolist() == list(range(420, 441))


def test_the_frame_rate_is_the_pipelines_where_none_is_known(tmp_path):
    def unknown(video_id):
        raise LookupError(video_id)

    content = {"images": [image(1, "v/0.jpg")], "annotations": []}
    source = open_annotations(tmp_path, content, unknown, folder_fps=12.5)
    assert source.read(source.items[0]).fps == 12.5


def test_flags_are_no_confidences(tmp_path):
    flags = [0, 1, 2, 0.14, *[0] * 17]
    hand = [number for flag in flags for number in (3.0, 4.0, flag)]
    parts = {"lefthand_kpts": hand, "righthand_kpts": [0] * 63}
    video = read_annotations(tmp_path, [image(1, "v/0.jpg")], [annotation(1, **parts)])
    keypoints = video.rows["keypoints"][0]
    assert keypoints[LEFT_HAND, 2].tolist() == [0, 1, 1, 1, *[0] * 17]
    assert (keypoints[LEFT_HAND, :2] == (3, 4)).all()
    assert (keypoints[RIGHT_HAND] == 0).all()
    assert (keypoints[BODY, 2] == 1).all()
    provenance = annotations_opened(tmp_path, [image(1, "v/0.jpg")], []).provenance
    assert "flag" in provenance.imported_from.confidence


def test_parts_that_could_not_be_labelled_are_missing(tmp_path):
    parts = {"face_valid": False, "foot_kpts": None}
    video = read_annotations(tmp_path, [image(1, "v/0.jpg")], [annotation(1, **parts)])
    keypoints = video.rows["keypoints"][0]
    for part in (FACE, FEET):
        assert np.isnan(keypoints[part, :2]).all()
        assert (keypoints[part, 2] == 0).all()
    assert np.isfinite(keypoints[LEFT_HAND]).all()


def test_the_person_with_the_most_labels_is_taken(tmp_path):
    people = [annotation(1, 0, 0), annotation(1, 70), annotation(1, 90, face_valid=False)]
    assert (
        read_annotations(tmp_path, [image(1, "v/0.jpg")], people).rows["keypoints"][0, 0, 0] == 70
    )


@pytest.mark.parametrize(
    ("images", "annotations", "reason"),
    [
        ([image(1, "0.jpg")], [], "file_name '0.jpg' is not <video>/<frame>"),
        ([image(1, "../v/0.jpg")], [], "is not <video>/<frame>"),
        ([image(1, "/v/0.jpg")], [], "is not <video>/<frame>"),
        ([image(1, "v/first.jpg")], [], "does not end with the number"),
        ([image(1, "v/7.jpg")], [], "begins with frame 7"),
        ([image(1, "v/0.jpg"), image(2, "v/00.jpg")], [], "frame 0 of 'v' is twice"),
        ([image(1, "v/0.jpg"), image(2, "v/1.jpg", 10)], [], "several sizes: 10x256, 512x256"),
        ([image(1, "v/0.jpg", 0)], [], "images.0.width"),
        ([{"id": 1}], [], "images.0.file_name: Field required"),
        ([image(1, "v/0.jpg")], [annotation(1, keypoints=[0] * 50)], "annotations.0.keypoints"),
        ([image(1, "v/0.jpg")], [annotation(1, face_kpts=[0] * 63)], "annotations.0.face_kpts"),
        ([image(1, "v/0.jpg")], [annotation(1, foot_kpts=[np.nan] * 18)], "foot_kpts.0"),
        ([image(1, "v/0.jpg")], [{"keypoints": [0] * 51}], "annotations.0.image_id"),
    ],
)
def test_annotations_that_do_not_fit_are_refused(tmp_path, images, annotations, reason):
    with pytest.raises(ImportedFileError, match=reason):
        read_annotations(tmp_path, images, annotations)


def test_a_file_without_images_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="lists no images"):
        annotations_opened(tmp_path, [], [])


@pytest.mark.shared
def test_real_annotations_are_read(tmp_path):
    path = shared_path("realsigns/photos/test_coco_wholebody.json")
    content = json.loads(path.read_text())
    photos = [dict(i, file_name=f"{i['id']}/0.jpg") for i in content["images"]]
    source = annotations_opened(tmp_path, photos, content["annotations"])
    videos = {item.video_id: source.read(item) for item in source.items}
    labelled = next(a for a in content["annotations"] if a["num_keypoints"] >= 15)
    video = videos[str(labelled["image_id"])]
    people = [a for a in content["annotations"] if a["image_id"] == labelled["image_id"]]
    expected = {tuple(np.float32(a["keypoints"][0:2])) for a in people}
    assert tuple(video.rows["keypoints"][0, 0, :2]) in expected
    photo = next(i for i in content["images"] if i["id"] == labelled["image_id"])
    assert (video.width, video.height) == (photo["width"], photo["height"])


def person(x=0.0, score=0.5, count=133, scores=None):
    return {
        "keypoints": [[x + i, 2.0 * i] for i in range(count)],
        "keypoint_scores": [score] * (count if scores is None else scores),
        "bbox": [[0, 0, 1, 1]],
        "bbox_score": 1.0,
    }


def frames(first, *people):
    return [{"frame_id": first + i, "instances": p} for i, p in enumerate(people)]


def read_predictions(tmp_path, content):
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
    video = read_predictions(tmp_path, content)
    assert (video.num_frames, video.width, video.height) == (3, 640, 360)
    assert video.rows["person_found"].tolist() == [True, False, True]
    keypoints = video.rows["keypoints"]
    assert keypoints[0, :, 0].tolist() == list(range(7, 140))
    assert keypoints[0, :, 1].tolist() == list(range(0, 266, 2))
    assert (keypoints[2, :, 2] == 0.5).all()
    assert np.isnan(keypoints[1, :, :2]).all()


def test_the_size_must_be_that_of_the_images(tmp_path):
    with pytest.raises(ImportedFileError, match="outside an image of 640x360"):
        read_predictions(tmp_path, frames(0, [person(5000)]))


def test_the_most_confident_person_is_taken(tmp_path):
    video = read_predictions(tmp_path, frames(0, [person(1, 0.2), person(2, 0.9), person(3, 0.3)]))
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
def test_predictions_that_do_not_fit_are_refused(tmp_path, content, reason):
    with pytest.raises(ImportedFileError, match=reason):
        read_predictions(tmp_path, content)
