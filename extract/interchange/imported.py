"""What every import format returns: the videos of its files, and how each becomes rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Num

from extract.videos import source_identity
from extract.videos.folder_walk import each_once, walk
from extract.videos.frame_source import open_frames
from extract.videos.listing import ListedVideo
from extract.videos.part import VideoError
from extract.videos.source_identity import QuickIdentity, all_files, remembered_hash
from seds_core.errors import ImportedFileError, UsageError
from seds_core.store.provenance import Provenance
from seds_core.video_id import video_id_of


@dataclass(frozen=True)
class ImportItem:
    """A video that is to be imported; whether it can be read is not known yet."""

    video_id: str
    path: Path
    """The file or folder that holds it; a file may hold several."""


@dataclass(frozen=True)
class ImportedVideo:
    """A video's rows, as its store keeps them, and what the store's table says of it."""

    rows: dict[str, np.ndarray]
    """Array name -> values, first axis ``row``; all arrays of the store's layout."""
    num_frames: int
    frame_step: int
    """Frames of the video from one timeline frame to the next."""
    fps: float
    width: int
    height: int
    content_hash: str = ""
    """BLAKE2b-128 of the bytes that were read; empty where they are to be read again for it."""
    num_rounded: int = 0
    """Values that differ in the store, because its precision is lower than the file's."""
    num_people: int = 1
    """People in the frame that shows the most; the rows are those of one of them."""


@dataclass(frozen=True)
class ImportedFiles:
    """The files of one format, opened: how they become rows of one store."""

    provenance: Provenance
    items: list[ImportItem]
    """The videos, by name."""
    read: Callable[[ImportItem], ImportedVideo]
    """Reads one video; called from several threads at a time.

    Raises ``ImportedFileError`` for one that cannot be used.
    """


def quick_look(path: Path) -> QuickIdentity:
    """Looks at a file, or at all files in a folder. Raises ``OSError`` for what is not there."""
    return source_identity.quick_look(path, all_files)


def quick_identity(path: Path) -> tuple[int, int]:
    """Returns size in bytes and time of the last change in ns, as :func:`quick_look` tells them."""
    return source_identity.quick_identity(path, all_files)


def content_hash(path: Path) -> str:
    """BLAKE2b-128 of a file's bytes, or of the names and bytes of all files in a folder.

    Remembered, because many videos may lie in one file. Raises ``OSError`` for what cannot be read.
    """
    return remembered_hash(path, files_in=all_files)


def as_float32(
    values: Num[np.ndarray, "*_"],
) -> tuple[Float32[np.ndarray, "*_"], int]:
    """The values as float32, and how many of them differ now.

    >>> as_float32(np.array([0.5, 0.1, np.nan]))[1]
    1
    """
    if values.dtype == np.float32:
        return values, 0
    with np.errstate(over="ignore"):  # what becomes infinite is counted
        rounded = values.astype(np.float32)
    # NaN is equal to nothing, but stays NaN.
    is_same = (rounded == values) | (np.isnan(rounded) & np.isnan(values))
    return rounded, int(np.count_nonzero(~is_same))


def files_below(source: Path, suffix: str) -> list[Path]:
    """The files with one ending, by path; each once, whatever links lead to it.

    Hidden and system files are skipped. Raises ``UsageError`` when there are none.
    """
    walked = walk(source, ("**", f"*{suffix}"))
    files, _ = each_once(f for folder in walked.folders for f in folder.files if f.is_wanted)
    if not files:
        raise UsageError(f"there are no {suffix} files below {source}; name the folder of them")
    return [file.path for file in files]


def videos_in_files(source: Path, suffix: str) -> list[ImportItem]:
    """One video for each file, by name; its id is the path below ``source`` without the ending.

    A file named itself is one video of its own name. Raises ``UsageError`` when there are none.
    """
    if source.is_file():
        return [ImportItem(video_id_of(source.stem), source)]
    return [
        ImportItem(video_id_of(path.relative_to(source).with_suffix("").as_posix()), path)
        for path in files_below(source, suffix)
    ]


@dataclass(frozen=True)
class VideoFacts:
    """What files of keypoints often do not say."""

    width: int
    """Pixels of the images that the keypoints were found in."""
    height: int
    fps: float


# Looks up a video by id; raises ``LookupError`` with what the user can do about unknown facts.
Facts = Callable[[str], VideoFacts]


@dataclass(frozen=True)
class KnownFacts:
    """The size that was given for all videos, else that of each video itself.

    The given size comes first: published keypoints were found in images that had been cut out of
    the videos and resized.
    """

    image_size: tuple[int, int] | None
    """Width and height of the images of all videos."""
    fps: float | None
    """Frame rate of all videos; ``None`` where each video tells its own."""
    folder_fps: float
    """Frame rate of videos that are folders of images, and of those that are not opened."""
    videos: Mapping[str, ListedVideo]
    """The videos of an index, by id."""

    def __call__(self, video_id: str) -> VideoFacts:
        """The facts of a video; its file is opened only where no size was given."""
        if self.image_size is not None:
            return VideoFacts(*self.image_size, self.fps or self.folder_fps)
        if video_id not in self.videos:
            raise LookupError(
                "the size of its images is not known: give it with --image-size WIDTHxHEIGHT, or "
                "name its video with --index"
            )
        video = self.videos[video_id]
        try:
            if video.problem:
                raise VideoError(video.path, video.problem)
            properties = open_frames(video.path, self.folder_fps, part=video.part).properties
        except VideoError as error:
            raise LookupError(
                f"the size of its images is not known, because its video cannot be opened: {error}"
            ) from error
        return VideoFacts(properties.width, properties.height, self.fps or properties.fps)


def known_facts(item: ImportItem, facts: Facts) -> VideoFacts:
    """The facts of a video; raises ``ImportedFileError`` where they are not known."""
    try:
        return facts(item.video_id)
    except LookupError as error:
        raise ImportedFileError(item.path, str(error.args[0] if error.args else error)) from None
