"""Finds the signer with one of torchvision's detectors trained on COCO, steadied over time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torchvision.models import get_model

from extract.pose.person_boxes import FoundBoxes
from extract.pose.provenance import detector_weights
from extract.settings import PersonDetectorSettings
from seds_core.torch_files import fill_network, read_tensors

Choice = Literal["largest", "most_central"]

PersonDetector = Callable[
    [UInt8[np.ndarray, "height width channel=3"]], Float32[np.ndarray, "person box=4"]
]
"""From an RGB image to the boxes of all people in it."""

# COCO numbers its 80 classes with gaps, up to 90; 0 is the background.
_PERSON = 1
_NUM_COCO_CLASSES = 91


def chosen_person(
    people: Float32[np.ndarray, "person box=4"], choice: Choice, width: int, height: int
) -> Float32[np.ndarray, " box=4"] | None:
    """The signer among the people of one frame, the first of equals; None among none."""
    if len(people) == 0:
        return None
    # argmax and argmin take the first of equals.
    left, top, right, bottom = people.T
    if choice == "largest":
        best = np.argmax((right - left) * (bottom - top))
    else:
        best = np.argmin(np.hypot((left + right) / 2 - width / 2, (top + bottom) / 2 - height / 2))
    return people[best]


@dataclass(frozen=True)
class Track:
    """What is known of the signer after a frame."""

    box: Float32[np.ndarray, " box=4"]
    frames_since_seen: int


def followed(
    track: Track | None,
    detection: Float32[np.ndarray, " box=4"] | None,
    smoothing: float,
    max_gap_frames: int,
) -> Track | None:
    """The track one frame later; ``detection`` is None too where the detector did not look.

    A detection moves the box by exponential smoothing: ``smoothing * old + (1 - smoothing) *
    new``. Without one the box stays for at most ``max_gap_frames`` frames; then the track is lost,
    and the next detection begins a new one.
    """
    if detection is not None:
        if track is None:
            return Track(detection, 0)
        kept = np.float32(smoothing)
        return Track(kept * track.box + (1 - kept) * detection, 0)
    if track is None or track.frames_since_seen >= max_gap_frames:
        return None
    return Track(track.box, track.frames_since_seen + 1)


class DetectedBoxes:
    """The signer's box from a detector that looks at every n-th frame, steadied over time.

    Every frame is looked at by itself and the state advances frame by frame, so the boxes do not
    depend on how the video is cut.
    """

    required_confidence = 0.0

    def __init__(self, detect: PersonDetector, settings: PersonDetectorSettings) -> None:
        self._detect = detect
        self._settings = settings
        # State that every frame advances, however the video is cut into calls.
        self._next_frame = 0
        self._track: Track | None = None

    def boxes(
        self,
        frames: UInt8[np.ndarray, "frame height width channel=3"],
        _numbers: Sequence[int],
        size: tuple[int, int],
    ) -> FoundBoxes:
        """Returns the boxes in the frames that follow those of the previous call."""
        settings = self._settings
        boxes = np.full((len(frames), 4), np.nan, np.float32)
        for box, frame in zip(boxes, frames, strict=True):
            # The detector looks at every n-th frame; between them the box stays where it is.
            detection = None
            if self._next_frame % settings.every_nth_frame == 0:
                detection = chosen_person(self._detect(frame), settings.choice, *size)
            self._track = followed(
                self._track, detection, settings.smoothing, settings.max_gap_frames
            )
            self._next_frame += 1
            if self._track is not None:
                box[:] = self._track.box
        return FoundBoxes(boxes, ~np.isnan(boxes[:, 0]))


def load_person_detector(settings: PersonDetectorSettings, device: torch.device) -> PersonDetector:
    """The published detector of ``settings.network``, downloaded when it is not in the cache."""
    path = detector_weights(settings.network)
    network = empty_detector(settings.network)
    # torchvision publishes one network with frozen batch norms, which count no training steps;
    # the filling does not ask for that count.
    fill_network(network, read_tensors(path), path)
    return TorchvisionPersonDetector(network.to(device).eval(), settings.score_threshold, device)


def empty_detector(name: str) -> torch.nn.Module:
    """A torchvision detector for COCO's classes without trained weights."""
    return get_model(name, weights=None, weights_backbone=None, num_classes=_NUM_COCO_CLASSES)


class TorchvisionPersonDetector:
    """The people that a torchvision detection network sees in one image."""

    def __init__(
        self, network: torch.nn.Module, score_threshold: float, device: torch.device
    ) -> None:
        """``network`` is in evaluation mode and lies on ``device``."""
        self._network = network
        self._score_threshold = score_threshold
        self._device = device

    @torch.inference_mode()
    def __call__(
        self, image: UInt8[np.ndarray, "height width channel=3"]
    ) -> Float32[np.ndarray, "person box=4"]:
        """Boxes of people with a score above the threshold, best first."""
        # torchvision's detectors take values from 0 to 1 and normalise them themselves.
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        (result,) = self._network([pixels.to(self._device) / 255])
        is_person = (result["labels"] == _PERSON) & (result["scores"] >= self._score_threshold)
        return result["boxes"][is_person].float().cpu().numpy()
