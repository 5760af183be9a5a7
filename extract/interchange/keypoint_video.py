"""A video's keypoints, frame by frame, from files of any form."""

import codecs
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from jaxtyping import Float32, Int64
from pydantic import BaseModel, Field, ValidationError

from extract.interchange.imported import FactsSource, ImportedVideo, ImportItem, VideoFacts
from extract.interchange.signer import Sighting, count_people, find_signer
from seds_core.errors import ImportedFileError
from seds_core.keypoints import FEET, NUM_KEYPOINTS
from seds_core.store.provenance import ImportedFrom, Provenance, TimelineRules


def keypoint_rows(
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
) -> dict[str, np.ndarray]:
    """The row arrays of a video of whose every frame there are keypoints, bit for bit.

    Somebody was found where any point has a confidence above 0; the region that the detector was
    given is not known.
    """
    num_frames = len(keypoints)
    return {
        "keypoints": keypoints,
        "person_found": np.asarray((keypoints[..., 2] > 0).any(axis=1)),
        "person_box": np.full((num_frames, 4), np.nan, np.float32),
        "frame": np.arange(num_frames, dtype=np.int32),
    }


def nobody_found(num_frames: int) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
    """Frames without anybody: (NaN, NaN, 0) everywhere, as a store has them."""
    keypoints = np.full((num_frames, NUM_KEYPOINTS, 3), np.nan, np.float32)
    keypoints[..., 2] = 0
    return keypoints


MAX_FRAMES = 250_000
"""Frames that a video may have: almost three hours, and 400 MB of keypoints."""

SIGNER = "surest over all frames, followed by place"
"""How one of several people is chosen, for the provenance."""

LARGEST_FRACTION = 2.0
"""Pixels that keypoints reach at least: nobody is smaller."""
LEGS_AND_FEET = np.r_[11:17, FEET]
"""Hips, knees, ankles and feet."""


def keypoint_provenance(
    source: Path, folder_fps: float, *, file_format: str, confidence: str
) -> Provenance:
    """What made a pose store of imported keypoints.

    ``confidence`` says in words what the third coordinate is.
    """
    return Provenance.imported(
        source,
        ImportedFrom(format=file_format, confidence=confidence, signer=SIGNER),
        timeline=TimelineRules(max_frames=None, folder_fps=folder_fps),
    )


def keypoint_video(
    path: Path,
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
    facts: VideoFacts,
    *,
    num_people: int = 1,
) -> ImportedVideo:
    """A video with a row for every frame, of the signer among ``num_people``.

    Raises :class:`ImportedFileError` where a keypoint was found at no place, or the places are not
    pixels of an image of that size.
    """
    confidence = keypoints[..., 2]
    is_placed = np.isfinite(keypoints[..., :2]).all(axis=-1)
    if not (np.isfinite(confidence) & (is_placed | (confidence <= 0))).all():
        raise ImportedFileError(
            path, "holds NaN or infinite numbers where a keypoint has a confidence above 0"
        )
    problem = implausible_places(keypoints, facts)
    if problem:
        raise ImportedFileError(path, problem)
    return ImportedVideo(
        rows=keypoint_rows(keypoints),
        num_frames=len(keypoints),
        frame_step=1,
        fps=facts.fps,
        width=facts.width,
        height=facts.height,
        num_people=num_people,
    )


def implausible_places(
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"], facts: VideoFacts
) -> str:
    """Why the keypoints that were found cannot be pixels of the images; empty where they can.

    Legs and feet say nothing: detectors place them below images that end at the hips.
    """
    is_found = keypoints[..., 2] > 0
    is_found[:, LEGS_AND_FEET] = False
    found = keypoints[is_found][:, :2]
    if not len(found):
        return ""
    if (np.abs(found) <= LARGEST_FRACTION).mean() > 0.99:
        return (
            f"its keypoints lie between {found.min():.2g} and {found.max():.2g}: they are "
            f"{_suspected(found)}, and pixels are needed: multiply them by the images' size"
        )
    size = np.array([facts.width, facts.height])
    if ((found < 0) | (found > size)).any(axis=1).mean() <= 0.5:
        return ""
    if (found < 0).mean() > 0.25:
        return (
            f"many of its keypoints have negative places (down to {found.min():.0f}): they seem to "
            "be normalised around their middle, and pixels from the image's upper left corner are "
            "needed"
        )
    right, bottom = np.quantile(found, 0.99, axis=0)
    return (
        f"most of its keypoints lie outside an image of {facts.width}x{facts.height} pixels, up to "
        f"{right:.0f}, {bottom:.0f}: they seem to be of larger images; where the file does not say "
        "the size of the images that they were found in, --image-size WIDTHxHEIGHT does"
    )


def _suspected(small: Float32[np.ndarray, "joint coordinate=2"]) -> str:
    if (small < 0).mean() > 0.1:
        return "normalised, from -1 to 1 or around their middle"
    return "fractions of the image"


def known_facts(item: ImportItem, facts: FactsSource) -> VideoFacts:
    """The facts of a video; raises :class:`ImportedFileError` for one of which nobody knows any."""
    try:
        return facts(item.video_id)
    except LookupError as error:
        raise ImportedFileError(item.path, str(error.args[0] if error.args else error)) from None


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


MEGABYTE = 2**20
MAX_BYTES = 64 * MEGABYTE
"""Size of the largest file that is read, where its format says nothing else."""

Content = TypeVar("Content", bound=BaseModel)

Number = Annotated[float, Field(ge=-1e38, le=1e38, allow_inf_nan=False)]
"""A number that float32 can hold, neither NaN nor infinite."""

Numbers = Annotated[list[Number], Field(fail_fast=True)]
"""A list of numbers; the first wrong one ends the reading."""


def read_json(path: Path, schema: type[Content], *, max_bytes: int = MAX_BYTES) -> Content:
    """What a file holds, as ``schema`` describes it.

    Raises :class:`ImportedFileError` for a file that is missing, too large, no JSON or of another
    shape.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= max_bytes else b""
    except OSError as error:
        raise ImportedFileError(path, f"cannot be read: {error.strerror}") from None
    if size > max_bytes:
        raise ImportedFileError(
            path,
            f"has {size / MEGABYTE:,.0f} MB, and JSON files of this kind are read up to "
            f"{max_bytes / MEGABYTE:,.0f} MB: split it",
        )
    return _checked(path, lambda: schema.model_validate_json(content.removeprefix(codecs.BOM_UTF8)))


def check_json(path: Path, content: object, schema: type[Content]) -> Content:
    """What was read from ``path`` without a schema, as ``schema`` describes it.

    Raises :class:`ImportedFileError` where it is of another shape.
    """
    return _checked(path, lambda: schema.model_validate(content))


def _checked(path: Path, read: Callable[[], Content]) -> Content:
    try:
        return read()
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    raise ImportedFileError(path, f"{place}: {problem['msg']}" if place else problem["msg"])


_NUMBER = re.compile(r"[0-9]+")
_MAX_DIGITS = 9


@dataclass(frozen=True)
class FrameNames:
    """How the images of a data set are named and counted."""

    template: str
    """With ``%`` and a number's format in place of the number, such as ``images%04d.png``."""
    first_number: int
    """Number of a video's first frame: 0 or 1."""

    @classmethod
    def like(cls, names: Sequence[str]) -> "FrameNames":
        """How the images of one video are named, one of which is its first frame.

        Raises ``ValueError`` for names without numbers, and when the lowest is neither 0 nor 1.

        >>> FrameNames.like(["images0001.png", "images0002.png"])
        FrameNames(template='images%04d.png', first_number=1)
        """
        parts = [_parts(name) for name in names]
        if not parts:
            raise ValueError("it lists no images")
        before, digits, after = min(parts, key=lambda part: int(part[1]))
        if int(digits) > 1:
            raise ValueError(f"its images are numbered from {int(digits)} on, not from 0 or 1")
        width = f"0{len(digits)}" if len(digits) > 1 else ""
        before, after = before.replace("%", "%%"), after.replace("%", "%%")
        return cls(f"{before}%{width}d{after}", int(digits))

    def name(self, frame: int) -> str:
        """The name of a frame's image; frames count from 0.

        >>> FrameNames("images%04d.png", 1).name(0)
        'images0001.png'
        """
        return self.template % (frame + self.first_number)

    def frames(self, names: Sequence[str]) -> Int64[np.ndarray, " row"]:
        """The frames that images belong to, in the order of the names.

        Raises ``ValueError`` for a name of another form, before the first frame, too far behind
        it, or given twice.

        >>> FrameNames("images%04d.png", 1).frames(["images0001.png", "images0004.png"]).tolist()
        [0, 3]
        """
        if list(names) == [self.name(frame) for frame in range(len(names))]:
            return np.arange(len(names))  # as almost all are, without looking for numbers
        frames = [int(_parts(name)[1]) - self.first_number for name in names]
        for name, frame in zip(names, frames, strict=True):
            if not 0 <= frame < MAX_FRAMES or self.name(frame) != name:
                raise ValueError(
                    f"its image {name[:100]!r} is not named like others: {self.name(0)!r} is first"
                )
        if len(set(frames)) < len(frames):
            raise ValueError("it lists an image twice")
        return np.array(frames, np.int64)


PUBLISHED_NAMES = FrameNames("images%04d.png", 1)
"""Those of PHOENIX-2014T."""


def _parts(name: str) -> tuple[str, str, str]:
    """What stands before the last number of a name, its digits, and the rest."""
    stem, ending = os.path.splitext(name)
    numbers = list(_NUMBER.finditer(stem))
    if not numbers or len(numbers[-1][0]) > _MAX_DIGITS:
        raise ValueError(f"its image {name[:100]!r} has no number that a frame may have")
    last = numbers[-1]
    return stem[: last.start()], last[0], stem[last.end() :] + ending
