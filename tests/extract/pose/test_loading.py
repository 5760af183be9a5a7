"""Settings choose the estimator and the boxes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from extract.pose.box_table import TableBoxes
from extract.pose.estimate import WholeFrameBoxes
from extract.pose.person_detector import DetectedBoxes
from extract.pose.pose_stream import load_estimator, load_person_boxes
from extract.settings import PoseSettings
from seds_core.errors import UnavailableError

CPU = torch.device("cpu")


@pytest.mark.mmpose
def test_an_mmpose_model_with_its_provenance() -> None:
    settings = PoseSettings(model="demo", checkpoint="random", flip_test=True)
    estimator, provenance = load_estimator(settings, CPU)
    frames = np.zeros((1, 64, 48, 3), np.uint8)
    keypoints = estimator.estimate(frames, np.array([[0, 0, 48, 64]], np.float32))
    assert keypoints.shape == (1, 133, 3)
    assert (provenance.name, provenance.is_random) == ("demo", True)


def test_mediapipe_is_an_optional_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions.holistic", None)
    with pytest.raises(UnavailableError, match="extra 'mediapipe'"):
        load_estimator(PoseSettings(detector="mediapipe"), CPU)


def test_whole_frame_boxes_take_their_threshold_from_the_settings() -> None:
    boxes = load_person_boxes(PoseSettings(person_threshold=0.4), CPU)("video", 1)
    assert boxes == WholeFrameBoxes(0.4)


def test_boxes_from_a_table(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("video_id,frame,left,top,right,bottom\nvideo,,0,0,4,8\n")
    source = load_person_boxes(PoseSettings(person_box="csv", person_box_file=path), CPU)
    assert isinstance(source("video", 1), TableBoxes)


def test_every_video_has_detections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = np.zeros((0, 4), np.float32)
    monkeypatch.setattr(
        "extract.pose.person_detector.load_person_detector",
        lambda _settings, _device: lambda _image: nobody,
    )
    source = load_person_boxes(PoseSettings(person_box="detector"), CPU)
    first, second = source("a", 1), source("b", 1)
    assert isinstance(first, DetectedBoxes)
    assert first is not second
