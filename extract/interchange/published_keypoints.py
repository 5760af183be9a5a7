"""Published keypoints: ``RTMpose/<video>.pkl`` = {'keypoints': (frame, 133, 3), 'img_list'}."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int64

from extract.interchange.imported import FactsSource, ImportedVideo, ImportItem, as_float32
from extract.interchange.keypoint_video import FrameNames, keypoint_video, known_facts, nobody_found
from extract.interchange.published_files import PublishedFiles, entry
from seds_core.errors import ImportedFileError, UsageError
from seds_core.keypoints import NUM_KEYPOINTS
from seds_core.store.provenance import ImportedFrom, Provenance, TimelineRules

_LOOKED_AT = 100
"""Files among which one must begin with a video's first frame."""


@dataclass(frozen=True)
class PublishedKeypoints:
    """One row for every frame of a video; an ``ImportFormat``.

    The names in ``img_list`` say which frames the keypoints belong to. Frames that it leaves out
    in between show nobody.
    """

    files: PublishedFiles
    facts: FactsSource
    frame_names: FrameNames
    """How the images of all videos are named."""
    image_size: tuple[int, int] | None
    """That was given for all videos, for the provenance."""
    folder_fps: float
    """For the provenance."""

    @classmethod
    def open(
        cls,
        files: PublishedFiles,
        facts: FactsSource,
        image_size: tuple[int, int] | None,
        folder_fps: float,
    ) -> "PublishedKeypoints":
        """Learns from the first file that tells it how images are named.

        Raises ``UsageError`` when there are no files, or none that tells it.
        """
        return cls(files, facts, _frame_names(files), image_size, folder_fps)

    @property
    def provenance(self) -> Provenance:
        """A pose store of every frame, and the images' names for the way back."""
        return Provenance.imported(
            self.files.source,
            ImportedFrom(
                format="published-keypoints",
                frame_names=self.frame_names.template,
                first_number=self.frame_names.first_number,
                image_size=self.image_size,
            ),
            timeline=TimelineRules(max_frames=None, folder_fps=self.folder_fps),
        )

    def items(self) -> list[ImportItem]:
        """The pickles, by path."""
        return self.files.items()

    def read(self, item: ImportItem) -> ImportedVideo:
        """The keypoints of all frames."""
        values, content_hash = self.files.read(item)
        keypoints, num_rounded = _keypoints(item, values)
        names = _image_names(item, values)
        if len(names) != len(keypoints):
            raise ImportedFileError(
                item.path, f"has {len(keypoints)} frames of keypoints and {len(names)} images"
            )
        try:
            frames = self.frame_names.frames(names)
        except ValueError as error:
            raise ImportedFileError(item.path, str(error)) from None
        facts = known_facts(item, self.facts)
        video = keypoint_video(item.path, _at_their_places(keypoints, frames), facts)
        return replace(video, content_hash=content_hash, num_rounded=num_rounded)


def _frame_names(files: PublishedFiles) -> FrameNames:
    problem = ""
    for item in files.items()[:_LOOKED_AT]:
        try:
            return FrameNames.like(_image_names(item, files.read(item)[0]))
        except (ImportedFileError, ValueError) as error:
            problem = problem or f"{item.path}: {getattr(error, 'reason', error)}"
    raise UsageError(
        f"which frames the keypoints below {files.source} belong to cannot be told: {problem}"
    )


def _keypoints(
    item: ImportItem, values: dict[str, object]
) -> tuple[Float32[np.ndarray, "frame keypoint=133 coordinate=3"], int]:
    """The keypoints, and how many numbers changed when they became float32."""
    keypoints = entry(item, values, "keypoints")
    if not isinstance(keypoints, np.ndarray) or keypoints.dtype.kind not in "fiu":
        raise ImportedFileError(item.path, "its 'keypoints' are no array of numbers")
    if keypoints.shape[1:] != (NUM_KEYPOINTS, 3) or not len(keypoints):
        raise ImportedFileError(
            item.path, f"its 'keypoints' have shape {keypoints.shape}, not (frames, 133, 3)"
        )
    return as_float32(keypoints)


def _at_their_places(
    keypoints: Float32[np.ndarray, "row keypoint=133 coordinate=3"],
    frames: Int64[np.ndarray, " row"],
) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
    """Keypoints of every frame up to the last; nobody in those that are left out."""
    if np.array_equal(frames, np.arange(len(keypoints))):
        return keypoints
    every_frame = nobody_found(int(frames.max()) + 1)
    every_frame[frames] = keypoints
    return every_frame


def _image_names(item: ImportItem, values: dict[str, object]) -> list[str]:
    names = entry(item, values, "img_list")
    if isinstance(names, np.ndarray):
        names = names.tolist()
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ImportedFileError(item.path, "its 'img_list' is no list of names")
    return [str(name) for name in names]
