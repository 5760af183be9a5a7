"""Which videos to extract: from folders, files and patterns, or from an index.

A video is a video file, or a folder of frame images. Its id is its path below the folder that was
named, without the ending; for a file that was named itself, the file's name.
"""

import glob
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from extract.decoding.frame_folder import IMAGE_SUFFIXES
from extract.decoding.video_part import WHOLE, VideoPart, read_part
from seds_core.dataset_index import IndexedVideo, read_index
from seds_core.errors import UsageError

VIDEO_SUFFIXES = frozenset(
    ".3gp .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split()  # noqa: SIM905
)


class VideoListError(UsageError):
    """A list of videos that cannot be used; the message says what to change."""


@dataclass(frozen=True)
class ListedVideo:
    """A video that is to be extracted; whether it can be read is not known yet."""

    video_id: str
    path: Path
    part: VideoPart = WHOLE
    """What of the file or folder at ``path`` the video is."""


@dataclass(frozen=True)
class VideoList:
    """The videos of a run, in order, and the files that were passed over."""

    videos: tuple[ListedVideo, ...]
    ignored: tuple[Path, ...] = ()
    """Files below a named folder whose names are not those of videos."""


def videos_of_index(path: Path) -> VideoList:
    """The videos of an index file, in its order; its columns may say that one is a part.

    Raises :class:`VideoListError` for columns that name no part of a recording.
    """
    return VideoList(tuple(_listed_video(path, line) for line in read_index(path)))


def _listed_video(index: Path, line: IndexedVideo) -> ListedVideo:
    """A line of an index as a video. Raises like :func:`videos_of_index`."""
    try:
        return ListedVideo(line.video_id, line.path, read_part(line.other))
    except ValueError as error:
        raise VideoListError(f"the index {index}, video '{line.video_id}': {error}") from None


def find_videos(places: Iterable[str]) -> VideoList:
    """The videos in folders, files and glob patterns.

    Raises :class:`VideoListError` when a place does not exist, when nothing is found, and when two
    videos would have one id.
    """
    videos: list[ListedVideo] = []
    ignored: list[Path] = []
    for place in places:
        found = _in_place(place)
        videos += found.videos
        ignored += found.ignored
    if not videos:
        raise VideoListError(f"no videos in {', '.join(places)}")
    return VideoList(_unique(videos), tuple(ignored))


def _in_place(place: str) -> VideoList:
    path = Path(place)
    if path.is_dir() and not _is_frame_folder(path):
        return _below(path)
    if path.exists():
        return VideoList((ListedVideo(_name(path), path),))
    if not glob.has_magic(place):
        raise VideoListError(f"{place} does not exist")
    matches = sorted(Path(match) for match in glob.glob(place, recursive=True))
    return VideoList(
        tuple(
            ListedVideo(_name(match, _fixed_part(path)), match)
            for match in matches
            if _is_video_file(match) or _is_frame_folder(match)
        )
    )


def _below(folder: Path) -> VideoList:
    """All videos in a folder and its subfolders, by path."""
    videos: list[ListedVideo] = []
    ignored: list[Path] = []
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            if _is_frame_folder(path):
                videos.append(ListedVideo(_name(path, folder), path))
        elif _is_video_file(path):
            videos.append(ListedVideo(_name(path, folder), path))
        elif path.suffix.lower() not in IMAGE_SUFFIXES:
            ignored.append(path)
    return VideoList(tuple(videos), tuple(ignored))


def _is_video_file(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _is_frame_folder(path: Path) -> bool:
    return path.is_dir() and any(child.suffix.lower() in IMAGE_SUFFIXES for child in path.iterdir())


def _name(path: Path, below: Path | None = None) -> str:
    relative = path.relative_to(below) if below else Path(path.name)
    return (relative.with_suffix("") if _is_video_file(path) else relative).as_posix()


def _fixed_part(pattern: Path) -> Path:
    """The folder at the beginning of a pattern that holds no wildcard."""
    parts = pattern.parts
    wild = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:wild])


def _unique(videos: list[ListedVideo]) -> tuple[ListedVideo, ...]:
    by_id: dict[str, ListedVideo] = {}
    for video in videos:
        other = by_id.setdefault(video.video_id, video)
        if other.path != video.path:
            raise VideoListError(
                f"{other.path} and {video.path} would both be the video '{video.video_id}': "
                "name the folder above both, or give ids of your own with --index"
            )
    return tuple(by_id.values())
