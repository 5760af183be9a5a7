"""Annotations and predictions are told apart by what the file holds."""

import json

import pytest

from extract.interchange.coco_wholebody import (
    CocoAnnotations,
    MmposePredictions,
    open_coco_wholebody,
)
from extract.interchange.imported import VideoFacts
from seds_core.errors import UsageError


def opened(path):
    return open_coco_wholebody(path, lambda _: VideoFacts(1, 1, 25.0), folder_fps=25.0)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"images": [], "annotations": []}, CocoAnnotations),
        ({"meta_info": {}, "instance_info": []}, MmposePredictions),
        ([], MmposePredictions),
    ],
)
def test_files(tmp_path, content, kind):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    assert isinstance(opened(path), kind)
    assert opened(path).provenance.imported_from.format == "coco-wholebody"


def test_a_folder_holds_predictions(tmp_path):
    assert isinstance(opened(tmp_path), MmposePredictions)


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
