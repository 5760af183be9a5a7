"""Keypoints of all frames, with the video's facts, become an imported video."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from extract.imports.imported import ImportedVideo, ImportItem
from extract.imports.keypoints.keypoint_rows import keypoint_rows
from extract.imports.video_facts import FactsSource, VideoFacts
from seds_core.errors import ImportedFileError
from seds_core.keypoints import FEET
from seds_core.store.layout import Provenance

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
    return Provenance(
        kind="pose",
        settings={
            "imported": {"format": file_format, "confidence": confidence, "signer": SIGNER},
            "frames": {"max_frames": None, "folder_fps": folder_fps},
        },
        weights={"name": "imported", "source": str(source), "sha256": "", "is_random": False},
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
