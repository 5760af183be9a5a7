"""Frames with numbers, of any number of people, become the keypoints of one video."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from extract.imports.keypoints.keypoint_rows import nobody_found
from extract.imports.keypoints.keypoint_video import MAX_FRAMES
from extract.imports.keypoints.signer import Sighting, count_people, find_signer
from seds_core.errors import ImportedFileError

PersonKeypoints = Float32[np.ndarray, "keypoint=133 coordinate=3"]

_LAST_NUMBER = re.compile(r"(?<![0-9])([0-9]{1,18})$")


def frame_number(path: Path, name: str) -> int:
    """The number that a frame's name ends with: 17 for ``CAM2_000000000017``.

    Raises :class:`ImportedFileError` (of ``path``) for a name without one.
    """
    match = _LAST_NUMBER.search(name)
    if match is None:
        raise ImportedFileError(path, f"'{name}' does not end with the number of a frame")
    return int(match[1])


@dataclass(frozen=True)
class SignerFrames:
    """The signer in every frame of a video."""

    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"]
    num_people: int
    """People in the frame that shows the most."""


def stack_frames(path: Path, frames: Mapping[int, Sequence[PersonKeypoints]]) -> SignerFrames:
    """The keypoints of the signer in each frame; NaN, NaN, 0 where the signer is not seen.

    Numbers count from 0, or from 1 where there is no frame 0; frames that are left out in between
    show nobody. Raises :class:`ImportedFileError` for numbers that begin elsewhere, because nobody
    knows which frames of the video they are, and for more than ``MAX_FRAMES``.
    """
    if not frames:
        raise ImportedFileError(path, "has no frames")
    first, last = min(frames), max(frames)
    if first > 1:
        raise ImportedFileError(
            path, f"begins with frame {first}: number the frames of a video from 0 or 1"
        )
    if last - first >= MAX_FRAMES:
        raise ImportedFileError(
            path, f"has the frame number {last}, and a video may have {MAX_FRAMES:,} frames"
        )
    keypoints = nobody_found(last - first + 1)
    seen = {number: [Sighting.of(person) for person in frames[number]] for number in frames}
    for number, place in find_signer(seen).items():
        keypoints[number - first] = frames[number][place]
    return SignerFrames(keypoints, max(map(count_people, seen.values())))
