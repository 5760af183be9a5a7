"""Annotations and predictions are told apart by what the file holds."""

import json

import pytest

from extract.interchange.coco_wholebody import open_coco_wholebody
from extract.interchange.imported import VideoFacts
from seds_core.errors import UsageError


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
