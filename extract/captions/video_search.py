"""Finds the videos of captions below a folder, however deep a release has put them."""

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from extract.captions.caption import Caption, Finding
from extract.captions.release_files import CaptionFileError
from extract.videos.folder_walk import spelled_on_disk, walk
from extract.videos.listing import VIDEO_SUFFIXES
from seds_core.dataset_index import IndexedVideo
from seds_core.video_id import video_id_of

_SPLIT_FOLDERS = {"dev": ("dev", "val")}
"""What releases call the folder of a split, where that is not its own name."""


@dataclass(frozen=True)
class Located:
    """The lines of an index, and what is missing."""

    videos: tuple[IndexedVideo, ...]
    findings: tuple[Finding, ...] = ()


def locate(captions: Sequence[Caption], folder: Path | None, index_folder: Path) -> Located:
    """The videos of captions; those that are not below ``folder`` are left out and named.

    Without a folder nothing is looked for: the index gets the release's own names. Raises
    ``CaptionFileError`` when the folder has none of the videos.
    """
    has_paths = any(caption.path for caption in captions)
    if folder is None and not has_paths:
        text = "no videos were looked for (--videos): the column path has their names only"
        named = (_indexed(c, index_folder / c.places[-1].name, c.places[-1].part) for c in captions)
        return Located(tuple(named), (Finding("note", text),))
    wanted = {place.name for caption in captions if not caption.path for place in caption.places}
    found = search(folder, wanted) if folder and wanted else {}
    videos, missing = [], []
    for caption in captions:
        video = _video(caption, found)
        if video:
            videos.append(video)
        else:
            missing.append(caption.video_id)
    where = f"below {folder}" if folder else "where the table says"
    if not videos:
        looked_for = captions[0].path or " or ".join(place.name for place in captions[0].places)
        raise CaptionFileError(
            f"not one of the videos ({len(captions):,}) is {where}; the first was looked for as "
            f"{looked_for}, a frame folder or a video file"
        )
    text = f"videos that are not {where}, left out"
    findings = (Finding("missing_video", text, tuple(missing)),) if missing else ()
    return Located(tuple(videos), findings)


def search(folder: Path, names: Collection[str]) -> dict[str, list[Path]]:
    """Frame folders, and video files without their ending, that have one of ``names``.

    Links are followed; hidden and system folders, and those that may not be read, are passed over.
    An empty folder is no video. Raises ``CaptionFileError`` for a folder that
    is none.
    """
    if not folder.is_dir():
        raise CaptionFileError(f"the folder of the videos, {folder}, does not exist")
    wanted = {video_id_of(name): name for name in names}
    walked = walk(folder, is_leaf=lambda name: video_id_of(name) in wanted)
    found = defaultdict(list)
    for path in walked.leaves:
        if _is_filled(path):
            found[wanted[video_id_of(path.name)]].append(path)
    for file in (file for folder in walked.folders for file in folder.files):
        name = wanted.get(video_id_of(file.path.stem))
        if name is not None and file.path.suffix.lower() in VIDEO_SUFFIXES:
            found[name].append(file.path)
    return {name: sorted(paths) for name, paths in found.items()}


def _is_filled(folder: Path) -> bool:
    """Whether there is something in a folder; not where that may not be read."""
    try:
        with os.scandir(folder) as entries:
            return any(entries)
    except OSError:
        return False


def _video(caption: Caption, found: Mapping[str, Sequence[Path]]) -> IndexedVideo | None:
    """A caption's line of the index; ``None`` where its video is missing."""
    if caption.path:
        path = spelled_on_disk(caption.path)
        return _indexed(caption, path, caption.places[-1].part) if path.exists() else None
    for place in caption.places:
        if place.name in found:
            return _indexed(caption, _of_split(found[place.name], caption.split), place.part)
    return None


def _of_split(paths: Sequence[Path], split: str) -> Path:
    """The path below a folder of that split; the first one where no path or many are."""
    folders = _SPLIT_FOLDERS.get(split, (split,))
    return next((path for path in paths if any(f in path.parts for f in folders)), paths[0])


def _indexed(caption: Caption, path: Path, part: Mapping[str, str]) -> IndexedVideo:
    columns = {name: value for name, value in {**caption.columns, **part}.items() if value}
    return IndexedVideo(caption.video_id, path, caption.split, caption.text, columns)
