"""Keypoints of all frames, with the video's facts, become an imported video."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from extract.imports.imported import ImportedFileError, ImportedVideo, ImportItem
from extract.imports.keypoints.keypoint_rows import keypoint_rows
from extract.imports.video_facts import FactsSource, VideoFacts
from seds_core.store.provenance import Provenance

MAX_FRAMES = 250_000
"""Frames that a video may have: almost three hours, and 400 MB of keypoints."""


def keypoint_provenance(
    source: Path, folder_fps: float, *, file_format: str, confidence: str
) -> Provenance:
    """What made a pose store of imported keypoints.

    ``confidence`` says in words what the third coordinate is.
    """
    return Provenance(
        kind="pose",
        settings={
            "imported": {"format": file_format, "confidence": confidence},
            "frames": {"max_frames": None, "folder_fps": folder_fps},
        },
        weights={"name": "imported", "source": str(source), "sha256": "", "is_random": False},
    )


def keypoint_video(
    path: Path,
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
    facts: VideoFacts,
) -> ImportedVideo:
    """A video with a row for every frame.

    Raises :class:`ImportedFileError` where a keypoint was found at no place.
    """
    confidence = keypoints[..., 2]
    is_placed = np.isfinite(keypoints[..., :2]).all(axis=-1)
    if not (np.isfinite(confidence) & (is_placed | (confidence <= 0))).all():
        raise ImportedFileError(
            path, "holds NaN or infinite numbers where a keypoint has a confidence above 0"
        )
    return ImportedVideo(
        rows=keypoint_rows(keypoints),
        num_frames=len(keypoints),
        frame_step=1,
        fps=facts.fps,
        width=facts.width,
        height=facts.height,
    )


def check_size(
    path: Path,
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
    facts: VideoFacts,
) -> None:
    """Holds a size that the file does not tell itself against the keypoints.

    Raises :class:`ImportedFileError` where most of them lie outside, or are fractions of it.
    """
    found = keypoints[keypoints[..., 2] > 0][:, :2]
    size = np.array([facts.width, facts.height])
    if not len(found):
        return
    if ((found < 0) | (found > size)).any(axis=1).mean() > 0.5:
        raise ImportedFileError(
            path,
            f"most of its keypoints lie outside an image of {facts.width}x{facts.height} pixels: "
            "give the size of the images that they were found in, with --image-size WIDTHxHEIGHT",
        )
    if np.abs(found).max() <= 1:
        raise ImportedFileError(path, "its keypoints are fractions of the image, not pixels")


def known_facts(item: ImportItem, facts: FactsSource) -> VideoFacts:
    """The facts of a video; raises :class:`ImportedFileError` for one of which nobody knows any."""
    try:
        return facts(item.video_id)
    except LookupError as error:
        raise ImportedFileError(item.path, str(error.args[0] if error.args else error)) from None
