"""Published keypoints: ``RTMpose/<video>.pkl`` = {'keypoints': (frame, 133, 3), 'img_list'}."""

from dataclasses import replace
from typing import Any

import numpy as np

from extract.interchange.imported import (
    Facts,
    ImportedFiles,
    ImportedVideo,
    ImportItem,
    as_float32,
    known_facts,
)
from extract.interchange.keypoint_video import keypoint_video, nobody_found
from extract.interchange.published_files import LOOKED_AT, FrameNames, PublishedFiles, entry
from seds_core.errors import ImportedFileError, UsageError
from seds_core.keypoints import NUM_KEYPOINTS
from seds_core.store.provenance import ImportedFrom, Provenance, TimelineRules


def open_published_keypoints(
    files: PublishedFiles,
    facts: Facts,
    *,
    image_size: tuple[int, int] | None,
    folder_fps: float,
) -> ImportedFiles:
    """Opens one pickle a video; every frame becomes a row, frames left out show no person.

    How images are named is learnt from the first file that tells it; their names in ``img_list``
    say which frames the keypoints belong to. ``image_size`` (given for all videos) and
    ``folder_fps`` are only recorded. Raises ``UsageError`` when there are no files, or none that
    tells how images are named.
    """
    items = files.items()
    frame_names = _frame_names(files, items)

    def read(item: ImportItem) -> ImportedVideo:
        values, content_hash = files.read(item)
        keypoints = entry(item, values, "keypoints")
        if not isinstance(keypoints, np.ndarray) or keypoints.dtype.kind not in "fiu":
            raise ImportedFileError(item.path, "its 'keypoints' are no array of numbers")
        if keypoints.shape[1:] != (NUM_KEYPOINTS, 3) or not len(keypoints):
            raise ImportedFileError(
                item.path, f"its 'keypoints' have shape {keypoints.shape}, not (frames, 133, 3)"
            )
        keypoints, num_rounded = as_float32(keypoints)
        names = _image_names(item, values)
        if len(names) != len(keypoints):
            raise ImportedFileError(
                item.path, f"has {len(keypoints)} frames of keypoints and {len(names)} images"
            )
        try:
            frames = frame_names.frames(names)
        except ValueError as error:
            raise ImportedFileError(item.path, str(error)) from None
        if not np.array_equal(frames, np.arange(len(keypoints))):
            every_frame = nobody_found(int(frames.max()) + 1)
            every_frame[frames] = keypoints
            keypoints = every_frame
        video = keypoint_video(item.path, keypoints, known_facts(item, facts))
        return replace(video, content_hash=content_hash, num_rounded=num_rounded)

    provenance = Provenance.imported(
        files.source,
        ImportedFrom(
            format="published-keypoints",
            frame_names=frame_names.template,  # for the way back
            first_number=frame_names.first_number,
            image_size=image_size,
        ),
        timeline=TimelineRules(max_frames=None, folder_fps=folder_fps),
    )
    return ImportedFiles(provenance, items, read)


def _frame_names(files: PublishedFiles, items: list[ImportItem]) -> FrameNames:
    problem = ""
    for item in items[:LOOKED_AT]:
        try:
            return FrameNames.like(_image_names(item, files.read(item)[0]))
        except (ImportedFileError, ValueError) as error:
            problem = problem or f"{item.path}: {getattr(error, 'reason', error)}"
    raise UsageError(
        f"which frames the keypoints below {files.source} belong to cannot be told: {problem}"
    )


def _image_names(item: ImportItem, values: dict[str, Any]) -> list[str]:
    names = entry(item, values, "img_list")
    if isinstance(names, np.ndarray):
        names = names.tolist()
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ImportedFileError(item.path, "its 'img_list' is no list of names")
    return [str(name) for name in names]
