"""Which videos a command works on: folders, files and indexes become a list."""

import glob
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from extract.videos.folder_walk import (
    EVERYTHING,
    WalkedFile,
    WalkedFolder,
    each_once,
    spelled_on_disk,
    walk,
)
from extract.videos.frame_folder import frame_names
from extract.videos.part import WHOLE, VideoPart, part_name, read_part
from seds_core.dataset_index import read_index
from seds_core.errors import UsageError, first_names
from seds_core.video_id import is_text, video_id_of

VIDEO_SUFFIXES = frozenset(
    ".3gp .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split()  # noqa: SIM905
)

_EXAMPLES = 5


class VideoListError(UsageError):
    """A list of videos that cannot be used; the message says what to change."""


@dataclass(frozen=True)
class ListedVideo:
    """A video that is to be extracted; whether it can be read is not known yet."""

    video_id: str
    path: Path
    """A video file, or a folder of frame images."""
    part: VideoPart = WHOLE
    """The part of the recording at ``path`` that the video is."""
    problem: str = ""
    """Why it cannot be extracted, where its name tells already."""

    @property
    def source_name(self) -> str:
        """The path as it was given, with the part."""
        return part_name(self.path, self.part)


Reason = Literal["no video", "hidden", "unreadable", "not numbered", "linked twice"]


@dataclass(frozen=True)
class PassedOver:
    """Files and folders that were met and of which no video is made."""

    reason: Reason
    paths: tuple[Path, ...]

    def __str__(self) -> str:
        """Counts them and names some, in a sentence."""
        count, s = f"{len(self.paths):,}", "" if len(self.paths) == 1 else "s"
        if self.reason == "no video":
            suffixes = Counter(path.suffix.lower() or "no ending" for path in self.paths)
            listed = ", ".join(f"{n:,} x {suffix}" for suffix, n in suffixes.most_common(5))
            return f"passed over {count} file{s}, by name no video{s}: {listed}"
        what = {
            "hidden": f"passed over {count} hidden or system file{s} or folder{s}",
            "unreadable": f"passed over {count} folder{s} that may not be read",
            "not numbered": f"passed over {count} folder{s} of images that are no numbered series; "
            "an index may name such a folder as a video",
            "linked twice": f"{count} other name{s} of files or folders that are listed once",
        }
        return f"{what[self.reason]}: {first_names([str(path) for path in self.paths], _EXAMPLES)}"


@dataclass(frozen=True)
class VideoList:
    """The videos of a run, in order, and what was passed over."""

    videos: tuple[ListedVideo, ...]
    passed_over: tuple[PassedOver, ...] = ()


def videos_of_index(path: Path) -> VideoList:
    """Lists the videos of an index file, in its order; its columns may say that one is a part.

    A line whose columns name no part of a recording is a video with that problem.
    """
    videos = []
    for line in read_index(path):
        part, problem = WHOLE, ""
        try:
            part = read_part(line.other)
        except ValueError as error:
            problem = str(error)
        videos.append(ListedVideo(line.video_id, spelled_on_disk(line.path), part, problem))
    return VideoList(tuple(videos))


def find_videos(sources: Iterable[str]) -> VideoList:
    """Finds the videos in folders, files and glob patterns, each file once.

    Files in one folder that would be one video (``a.mp4`` and ``a.webm``), and names that are not
    text, are listed with their problem. Raises :class:`VideoListError` for a source that does not
    exist, when nothing is found, and when videos of several folders would have one id.
    """
    found = _Found()
    for source in sources:
        path = spelled_on_disk(Path(source))
        if path.is_dir():
            _look_below(path, EVERYTHING, found)
        elif path.exists():
            found.add(path, os.path.realpath(path), path.parent)
        elif glob.has_magic(source):
            # Below the folder that is named without wildcards, names are compared composed.
            fixed = next(i for i, part in enumerate(path.parts) if glob.has_magic(part))
            pattern = tuple(video_id_of(part) for part in path.parts[fixed:])
            _look_below(spelled_on_disk(Path(*path.parts[:fixed])), pattern, found)
        else:
            raise VideoListError(f"{source} does not exist")
    passed_over = tuple(
        PassedOver(reason, tuple(paths)) for reason, paths in found.passed_over.items() if paths
    )
    if not found.videos:
        also = "".join(f"; {passed}" for passed in passed_over)
        raise VideoListError(f"no videos in {', '.join(sources)}{also}")
    return VideoList(_with_ids_of_their_own(found), passed_over)


@dataclass
class _Found:
    """The videos so far, and what was passed over."""

    videos: list[ListedVideo] = field(default_factory=list)
    passed_over: dict[Reason, list[Path]] = field(default_factory=lambda: defaultdict(list))
    folders: dict[Path, Path] = field(default_factory=dict)
    """Path of a video -> the folder that its id counts from."""
    _real_paths: set[str] = field(default_factory=set)

    def add(self, path: Path, real_path: str, below: Path) -> None:
        """Lists a file or folder by its name below a folder, unless it is listed already."""
        if real_path in self._real_paths:
            self.passed_over["linked twice"].append(path)
            return
        self._real_paths.add(real_path)
        self.folders[path] = below
        name = path.relative_to(below)
        text = (name.with_suffix("") if _is_video_file(name) else name).as_posix()
        problem = "" if is_text(text) else "its name is not UTF-8, as its id has to be: rename it"
        self.videos.append(ListedVideo(video_id_of(text), path, problem=problem))


def _look_below(base: Path, pattern: tuple[str, ...], found: _Found) -> None:
    """Adds what lies below a folder and has the names that a pattern asks for."""
    walked = walk(base, pattern)
    found.passed_over["hidden"] += walked.hidden
    found.passed_over["unreadable"] += walked.unreadable
    found.passed_over["linked twice"] += walked.repeated
    # Folders with video files in them, however deep: images there are not the frames of a video.
    direct = [f.path for f in walked.folders if any(_is_video_file(file.path) for file in f.files)]
    hold_videos = {folder for path in direct for folder in (path, *path.parents)}
    videos: list[WalkedFile] = [
        video
        for folder in walked.folders
        for video in _videos_in(folder, found, has_videos=folder.path in hold_videos)
    ]
    if not videos and found.passed_over["not numbered"][-1:] == [base]:
        # The folder itself was named, and holds nothing else that could be meant.
        found.passed_over["not numbered"].pop()
        videos = [folder for folder in walked.folders if folder.path == base]
    # Images in the folder itself lie beside folders of frames, as those that ``show`` draws may.
    root = videos[0] if len(videos) > 1 else None
    if isinstance(root, WalkedFolder) and root.path == base:
        videos.remove(root)
        pictures = frame_names(file.path.name for file in root.files)
        found.passed_over["no video"] += [base / name for name in pictures.frames]
    videos, others = each_once(videos)
    found.passed_over["linked twice"] += [other.path for other in others]
    for video in videos:
        if video.path == base:
            # The absolute path has a name even where the folder was called ".".
            base = Path(os.path.abspath(base))
            found.add(base, video.real_path, base.parent)
        else:
            found.add(video.path, video.real_path, base)


def _videos_in(folder: WalkedFolder, found: _Found, *, has_videos: bool) -> Iterator[WalkedFile]:
    """Yields a folder itself where it is a video, and the video files in it that are asked for."""
    images = frame_names(file.path.name for file in folder.files)
    is_of_images = bool(images.frames) and not has_videos
    if folder.is_wanted and is_of_images:
        if images.is_numbered:
            yield folder
        else:
            found.passed_over["not numbered"].append(folder.path)
    frames = frozenset(images.frames if is_of_images else ())
    for file in folder.files:
        if file.is_wanted and _is_video_file(file.path):
            yield file
        elif file.is_wanted and file.path.name not in frames:
            found.passed_over["no video"].append(file.path)


def _is_video_file(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _with_ids_of_their_own(found: _Found) -> tuple[ListedVideo, ...]:
    """Makes several videos of one id one that cannot be extracted, where they lie together.

    Raises :class:`VideoListError` for one id in several folders.
    """
    by_id: dict[str, list[ListedVideo]] = defaultdict(list)
    for video in found.videos:
        by_id[video.video_id].append(video)
    # Which of several folders was meant cannot be told: then the whole list is refused.
    apart = [v for v in by_id.values() if len({video.path.parent for video in v}) > 1]
    if apart:
        pairs = [f"{v[0].path} and {v[1].path} ('{v[0].video_id}')" for v in apart]
        raise VideoListError(
            f"{len(pairs):,} ids would be those of several videos: "
            f"{first_names(pairs, _EXAMPLES, separator='; ')}. Name the folder above all of them, "
            "or give ids of your own with --index"
        )
    # Files of one id in one folder, such as a.mp4 and a.webm, cost only themselves.
    listed = []
    for first, *others in by_id.values():
        if others:
            same = (first, *others)
            suffixes = sorted({v.path.suffix for v in same if _is_video_file(v.path)})
            way = "rename one"
            if len(suffixes) > 1:
                one_kind = f"'{found.folders[first.path]}/**/*{suffixes[0]}'"
                way = f"name one kind of file, such as --videos {one_kind}"
            names = " and ".join(video_id_of(video.path.name) for video in same)
            listed.append(
                ListedVideo(
                    first.video_id,
                    first.path,
                    problem=f"{names} would be one video, '{first.video_id}': {way}, "
                    "or give ids with --index",
                )
            )
        else:
            listed.append(first)
    return tuple(listed)
