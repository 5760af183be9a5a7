"""Where the signer is: the choice among several people, and one steady box through the video."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, UInt8

Choice = Literal["largest", "most_central"]


@dataclass(frozen=True)
class FoundBoxes:
    """The signer's box in consecutive frames."""

    boxes: Float32[np.ndarray, "frame box=4"]
    """Left, top, right, bottom in pixels; NaN where nobody was found."""
    is_found: Bool[np.ndarray, " frame"]


@runtime_checkable  # beartype asks isinstance
class PersonBoxes(Protocol):
    """The signer's boxes in one video; an object serves one video, front to back."""

    required_confidence: float
    """Mean confidence of the upper body from which a box truly holds a person: 0 where the box
    itself says so."""

    def boxes(self, frames: UInt8[np.ndarray, "frame height width channel=3"]) -> FoundBoxes:
        """The boxes in the frames that follow those of the previous call."""


class NoBoxError(LookupError):
    """A video of which the boxes' source knows nothing; the message says so."""


PersonBoxSource = Callable[[str, int], PersonBoxes]
"""From a video's id, and the step between its frames as they arrive, to its boxes; raises
:class:`NoBoxError`."""


@dataclass
class WholeFrameBoxes:
    """The whole image is the signer's box; the keypoints must say whether there is anybody."""

    required_confidence: float

    def boxes(self, frames: UInt8[np.ndarray, "frame height width channel=3"]) -> FoundBoxes:
        """One and the same box for all frames."""
        num_frames, height, width, _ = frames.shape
        box = np.array([0, 0, width, height], np.float32)
        return FoundBoxes(np.tile(box, (num_frames, 1)), np.ones(num_frames, bool))


def chosen_person(
    people: Float32[np.ndarray, "person box=4"], choice: Choice, width: int, height: int
) -> Float32[np.ndarray, " box=4"] | None:
    """The signer among the people of one frame, the first of equals; None when there is nobody."""
    if len(people) == 0:
        return None
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
        share = np.float32(smoothing)
        return Track(share * track.box + (1 - share) * detection, 0)
    if track is None or track.frames_since_seen >= max_gap_frames:
        return None
    return Track(track.box, track.frames_since_seen + 1)
