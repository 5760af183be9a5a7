"""Finds the signer with one of torchvision's detectors trained on COCO."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torchvision.models import get_model

from extract.pose.estimate import (
    FoundBoxes,
    Track,
    chosen_person,
    followed,
)
from extract.pose.provenance import detector_weights
from extract.settings import PersonDetectorSettings
from seds_core.errors import UsageError

PersonDetector = Callable[
    [UInt8[np.ndarray, "height width channel=3"]], Float32[np.ndarray, "person box=4"]
]
"""From an RGB image to the boxes of all people in it."""

_PERSON = 1
_NUM_COCO_CLASSES = 91


class DetectedBoxes:
    """The signer's box from a detector that looks at every n-th frame, steadied over time.

    Every frame is looked at by itself and the state advances frame by frame, so the boxes do not
    depend on how the video is cut.
    """

    required_confidence = 0.0

    def __init__(self, detect: PersonDetector, settings: PersonDetectorSettings) -> None:
        """Begin a video."""
        self._detect = detect
        self._settings = settings
        self._next_frame = 0
        self._track: Track | None = None

    def boxes(self, frames: UInt8[np.ndarray, "frame height width channel=3"]) -> FoundBoxes:
        """The boxes in the frames that follow those of the previous call."""
        boxes = np.full((len(frames), 4), np.nan, np.float32)
        for box, frame in zip(boxes, frames, strict=True):
            self._advance(frame)
            if self._track is not None:
                box[:] = self._track.box
        return FoundBoxes(boxes, ~np.isnan(boxes[:, 0]))

    def _advance(self, frame: UInt8[np.ndarray, "height width channel=3"]) -> None:
        settings = self._settings
        detection = None
        if self._next_frame % settings.every_nth_frame == 0:
            height, width, _ = frame.shape
            detection = chosen_person(self._detect(frame), settings.choice, width, height)
        self._track = followed(self._track, detection, settings.smoothing, settings.max_gap_frames)
        self._next_frame += 1


def load_person_detector(settings: PersonDetectorSettings, device: torch.device) -> PersonDetector:
    """The published detector of ``settings.network``, downloaded when it is not in the cache."""
    path = detector_weights(settings.network)
    network = empty_detector(settings.network)
    load_detector_weights(network, torch.load(path, map_location="cpu", weights_only=True))
    return TorchvisionPersonDetector(network.to(device).eval(), settings.score_threshold, device)


def empty_detector(name: str) -> torch.nn.Module:
    """A torchvision detector for COCO's classes without trained weights."""
    return get_model(name, weights=None, weights_backbone=None, num_classes=_NUM_COCO_CLASSES)


def load_detector_weights(network: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Put published weights into an empty detector.

    torchvision publishes one network with frozen batch norms, which count no batches; evaluation
    does not read that count either.
    """
    missing, unexpected = network.load_state_dict(weights, strict=False)
    missing = [name for name in missing if not name.endswith(".num_batches_tracked")]
    if missing or unexpected:
        raise UsageError(
            f"the detector's weights do not fit: missing {missing}, unexpected {unexpected}"
        )


class TorchvisionPersonDetector:
    """The people that a torchvision detection network sees in one image."""

    def __init__(
        self, network: torch.nn.Module, score_threshold: float, device: torch.device
    ) -> None:
        """Take a network in evaluation mode that lies on ``device``."""
        self._network = network
        self._score_threshold = score_threshold
        self._device = device

    @torch.inference_mode()
    def __call__(
        self, image: UInt8[np.ndarray, "height width channel=3"]
    ) -> Float32[np.ndarray, "person box=4"]:
        """Boxes of people with a score above the threshold, best first."""
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        (result,) = self._network([pixels.to(self._device) / 255])
        is_person = (result["labels"] == _PERSON) & (result["scores"] >= self._score_threshold)
        return result["boxes"][is_person].float().cpu().numpy()
