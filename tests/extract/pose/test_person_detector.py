"""The steadied detections of a video, and torchvision's detectors behind them (untrained here)."""

from pathlib import Path
from typing import get_args
from urllib.error import URLError

import numpy as np
import pytest
import torch

from extract.pose.person_detector import (
    DetectedBoxes,
    TorchvisionPersonDetector,
    empty_detector,
    load_detector_weights,
    load_person_detector,
)
from extract.settings import PersonDetectorSettings
from extract.weights_cache import WeightsUnavailable
from seds_core.errors import UsageError

CPU = torch.device("cpu")
NOBODY = np.zeros((0, 4), np.float32)


class Detections:
    """Gives the boxes of the frame whose number is in its pixels; records which it was shown."""

    def __init__(self, by_frame: dict[int, list[float]]) -> None:
        self.by_frame = by_frame
        self.shown: list[int] = []

    def __call__(self, image: np.ndarray) -> np.ndarray:
        frame = int(image[0, 0, 0])
        self.shown.append(frame)
        return np.array([self.by_frame[frame]], np.float32) if frame in self.by_frame else NOBODY


def frames(num_frames: int) -> np.ndarray:
    numbers = np.arange(num_frames, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(numbers, (num_frames, 8, 8, 3)).copy()


SETTINGS = PersonDetectorSettings(every_nth_frame=3, smoothing=0.5, max_gap_frames=4)
SEEN = {3: [0.0, 0.0, 4.0, 8.0], 6: [2.0, 0.0, 6.0, 8.0]}


def test_every_nth_frame_is_shown_and_the_box_is_carried() -> None:
    detect = Detections(SEEN)
    found = DetectedBoxes(detect, SETTINGS).boxes(frames(13))
    assert detect.shown == [0, 3, 6, 9, 12]
    # Nobody yet; first detection; moved half way; kept 4 frames after it; lost.
    expected = [np.nan] * 3 + [0.0] * 3 + [1.0] * 5 + [np.nan] * 2
    np.testing.assert_array_equal(found.boxes[:, 0], expected)
    np.testing.assert_array_equal(found.is_found, ~np.isnan(expected))


@pytest.mark.parametrize("cuts", [[13], [1] * 13, [4, 4, 5]])
def test_boxes_do_not_depend_on_the_chunks(cuts: list[int]) -> None:
    whole = DetectedBoxes(Detections(SEEN), SETTINGS).boxes(frames(13))
    boxes = DetectedBoxes(Detections(SEEN), SETTINGS)
    parts = [boxes.boxes(chunk).boxes for chunk in np.split(frames(13), np.cumsum(cuts)[:-1])]
    np.testing.assert_array_equal(np.concatenate(parts), whole.boxes)


def test_a_gap_shorter_than_the_step_is_refused() -> None:
    with pytest.raises(ValueError, match="must be at least 4"):
        PersonDetectorSettings(every_nth_frame=5, max_gap_frames=3)


def test_only_people_above_the_threshold_count() -> None:
    class Network(torch.nn.Module):
        def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
            assert images[0].shape == (3, 8, 8)
            assert float(images[0].max()) == 1.0
            boxes = torch.arange(12.0).reshape(3, 4)
            labels, scores = torch.tensor([1, 18, 1]), torch.tensor([0.9, 0.9, 0.4])
            return [{"boxes": boxes, "labels": labels, "scores": scores}]

    people = TorchvisionPersonDetector(Network(), 0.5, CPU)(np.full((8, 8, 3), 255, np.uint8))
    np.testing.assert_array_equal(people, [[0, 1, 2, 3]])


@pytest.mark.parametrize(
    "name", get_args(PersonDetectorSettings.model_fields["network"].annotation)
)
def test_every_network_takes_its_published_tensors(name: str) -> None:
    weights = empty_detector(name).state_dict()
    published = {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    network = empty_detector(name)
    load_detector_weights(network, published)
    for key, value in network.state_dict().items():
        assert torch.equal(value, weights[key])


def test_a_real_network_runs() -> None:
    network = empty_detector("ssdlite320_mobilenet_v3_large").eval()
    people = TorchvisionPersonDetector(network, 0.999, CPU)(np.zeros((32, 32, 3), np.uint8))
    assert people.shape == (0, 4)


def test_weights_that_do_not_fit_are_refused() -> None:
    network = torch.nn.Linear(2, 2)
    with pytest.raises(UsageError, match=r"missing \['bias'\], unexpected \['extra'\]"):
        load_detector_weights(network, {"weight": torch.zeros(2, 2), "extra": torch.zeros(1)})


def test_without_internet_the_error_names_the_place_for_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_arguments: object, **_named: object) -> None:
        raise URLError("no internet")

    monkeypatch.setenv("SEDS_CACHE", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(WeightsUnavailable, match=r"fasterrcnn_resnet50_fpn_v2_coco-dd69338a\.pth"):
        load_person_detector(PersonDetectorSettings(), CPU)
