"""A video's keypoints, from frames in files of any form to checked rows of a pose store."""

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from jaxtyping import Float32
from pydantic import BaseModel, Field, ValidationError

from extract.interchange.imported import ImportedVideo, VideoFacts
from extract.interchange.signer import Sighting, count_people, find_signer
from seds_core.errors import ImportedFileError
from seds_core.keypoints import FEET, NUM_KEYPOINTS
from seds_core.store.provenance import ImportedFrom, Provenance, TimelineRules

# Frames that a video may have: almost three hours, and 400 MB of keypoints.
MAX_FRAMES = 250_000

# How one of several people is chosen, for the provenance.
SIGNER = "surest over all frames, followed by place"

PersonKeypoints = Float32[np.ndarray, "keypoint=133 coordinate=3"]


def keypoint_provenance(
    source: Path, folder_fps: float, *, file_format: str, confidence: str
) -> Provenance:
    """What made a pose store of imported keypoints of every frame.

    ``confidence`` says in words what the third coordinate is; ``folder_fps`` is repeated only.
    """
    return Provenance.imported(
        source,
        ImportedFrom(format=file_format, confidence=confidence, signer=SIGNER),
        timeline=TimelineRules(max_frames=None, folder_fps=folder_fps),
    )


def no_person_found(num_frames: int) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
    """Frames that show no person: (NaN, NaN, 0) everywhere, as a store has them."""
    keypoints = np.full((num_frames, NUM_KEYPOINTS, 3), np.nan, np.float32)
    keypoints[..., 2] = 0
    return keypoints


def keypoint_video(
    path: Path,
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
    facts: VideoFacts,
    *,
    num_people: int = 1,
) -> ImportedVideo:
    """A video with a row for every frame, bit for bit, of the signer among ``num_people``.

    A person is found where any keypoint has a confidence above 0. Raises
    :class:`ImportedFileError` where a keypoint was found without a position, or the positions are
    not pixels of an image of that size.
    """
    confidence = keypoints[..., 2]
    # What was not found may be anything, such as NaN; what was found needs numbers.
    is_placed = np.isfinite(keypoints[..., :2]).all(axis=-1)
    if not (np.isfinite(confidence) & (is_placed | (confidence <= 0))).all():
        raise ImportedFileError(
            path, "holds NaN or infinite numbers where a keypoint has a confidence above 0"
        )
    problem = implausible_positions(keypoints, facts)
    if problem:
        raise ImportedFileError(path, problem)
    num_frames = len(keypoints)
    return ImportedVideo(
        rows={
            "keypoints": keypoints,
            "person_found": np.asarray((confidence > 0).any(axis=1)),
            # The region that the detector was given is not known.
            "person_box": np.full((num_frames, 4), np.nan, np.float32),
            "frame": np.arange(num_frames, dtype=np.int32),
        },
        num_frames=num_frames,
        frame_step=1,
        fps=facts.fps,
        width=facts.width,
        height=facts.height,
        num_people=num_people,
    )


# Keypoints in pixels reach further than this from the image's corner: no person is smaller.
LARGEST_FRACTION = 2.0
# Hips, knees, ankles and feet.
LEGS_AND_FEET = np.r_[11:17, FEET]


def implausible_positions(
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"], facts: VideoFacts
) -> str:
    """Why the keypoints that were found cannot be pixels of the images; empty where they can.

    Legs and feet do not count: detectors place them below images that end at the hips.
    """
    is_found = keypoints[..., 2] > 0
    is_found[:, LEGS_AND_FEET] = False
    found = keypoints[is_found][:, :2]
    if not len(found):
        return ""
    # Fractions and coordinates from -1 to 1 are all near 0, whatever the size of the image.
    if (np.abs(found) <= LARGEST_FRACTION).mean() > 0.99:
        is_centred = (found < 0).mean() > 0.1
        suspected = (
            "normalised, from -1 to 1 or around their middle"
            if is_centred
            else "fractions of the image"
        )
        return (
            f"its keypoints lie between {found.min():.2g} and {found.max():.2g}: they are "
            f"{suspected}, and pixels are needed: multiply them by the images' size"
        )
    # Detectors place single points outside the image, but not half of them.
    size = np.array([facts.width, facts.height])
    if ((found < 0) | (found > size)).any(axis=1).mean() <= 0.5:
        return ""
    if (found < 0).mean() > 0.25:
        return (
            f"many of its keypoints have negative positions (down to {found.min():.0f}): they seem "
            "to be normalised around their middle, and pixels from the image's upper left corner "
            "are needed"
        )
    right, bottom = np.quantile(found, 0.99, axis=0)
    return (
        f"most of its keypoints lie outside an image of {facts.width}x{facts.height} pixels, up to "
        f"{right:.0f}, {bottom:.0f}: they seem to be of larger images; where the file does not say "
        "the size of the images that they were found in, --image-size WIDTHxHEIGHT does"
    )


# All digits at the end; no more than 18, which an int64 holds.
_LAST_NUMBER = re.compile(r"(?<![0-9])([0-9]{1,18})$")


def frame_number(path: Path, name: str) -> int:
    """The number that a frame's name ends with: 17 for ``CAM2_000000000017``.

    Raises :class:`ImportedFileError` (of ``path``) for a name without one.
    """
    match = _LAST_NUMBER.search(name)
    if match is None:
        raise ImportedFileError(path, f"'{name}' does not end with the number of a frame")
    return int(match[1])


def video_of_frames(
    path: Path, frames: Mapping[int, Sequence[PersonKeypoints]], facts: VideoFacts
) -> ImportedVideo:
    """A video of the signer among the people in each numbered frame.

    Numbers count from 0, or from 1 where there is no frame 0; frames that are left out in between,
    or do not show the signer, are NaN, NaN, 0. Raises :class:`ImportedFileError` for numbers that
    begin elsewhere, because it is not known which frames of the video they are, and for more than
    ``MAX_FRAMES``.
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
    # People are followed through all frames before it is known who of them is the signer.
    keypoints = no_person_found(last - first + 1)
    seen = {number: [Sighting.of(person) for person in frames[number]] for number in frames}
    for number, position in find_signer(seen).items():
        keypoints[number - first] = frames[number][position]
    num_people = max(map(count_people, seen.values()))
    return keypoint_video(path, keypoints, facts, num_people=num_people)


# JSON files are read under the threat model of seds_core.untrusted_pickles: no more than the file's
# size explains, and every number checked by a schema before anything is made of it.

MEGABYTE = 2**20
# Size of the largest file that is read, where its format says nothing else.
MAX_BYTES = 64 * MEGABYTE

Content = TypeVar("Content", bound=BaseModel)

# A number that float32 can hold, neither NaN nor infinite.
Number = Annotated[float, Field(ge=-1e38, le=1e38, allow_inf_nan=False)]

# A list of numbers; the first wrong one ends the reading.
Numbers = Annotated[list[Number], Field(fail_fast=True)]


def read_json(path: Path, schema: type[Content], *, max_bytes: int = MAX_BYTES) -> Content:
    """Reads a file of the form that ``schema`` describes.

    Raises :class:`ImportedFileError` for a file that is missing, too large, no JSON or of another
    form.
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
    # Some editors begin a file with the mark of UTF-8, which is no JSON.
    return _checked(path, lambda: schema.model_validate_json(content.removeprefix(codecs.BOM_UTF8)))


def check_json(path: Path, content: object, schema: type[Content]) -> Content:
    """Checks what was read from ``path`` without a schema; raises as :func:`read_json`."""
    return _checked(path, lambda: schema.model_validate(content))


def _checked(path: Path, read: Callable[[], Content]) -> Content:
    try:
        return read()
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    position = ".".join(str(part) for part in problem["loc"])
    raise ImportedFileError(path, f"{position}: {problem['msg']}" if position else problem["msg"])
