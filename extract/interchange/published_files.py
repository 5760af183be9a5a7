"""The pickles of a published data set, one a video: whose they are, and how they name frames."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from extract.interchange.imported import ImportItem, files_below
from extract.interchange.keypoint_video import MAX_FRAMES
from seds_core.dataset_index import IndexedVideo, read_index
from seds_core.errors import ImportedFileError, UsageError, first_names
from seds_core.untrusted_pickles import parse_pickle, read_bytes
from seds_core.video_id import video_id_of

LOOKED_AT = 100
"""Files among which one must tell what all have in common."""


@dataclass(frozen=True)
class PublishedFiles:
    """``<source>/**/<video>.pkl``."""

    source: Path
    ids: Mapping[str, str] | None
    """Name of a file, or path without ending -> video id; ``None``: a file is its own video's."""

    @classmethod
    def open(cls, source: Path, index: Path | None) -> "PublishedFiles":
        """The files below a folder, of the videos of an index if there is one."""
        return cls(source, ids_by_name(read_index(index)) if index else None)

    def items(self) -> list[ImportItem]:
        """The files by path; those of no known video are among them, and fail when read.

        Raises ``UsageError`` when there are none, and when two are of one video.
        """
        items: dict[str, ImportItem] = {}
        for path in files_below(self.source, ".pkl"):
            item = ImportItem(self._id(path) or video_id_of(path.stem), path)
            other = items.setdefault(item.video_id, item)
            if other is not item:
                raise UsageError(
                    f"{other.path} and {path} are both of the video '{item.video_id}': import them "
                    "into two stores, or remove one of them"
                )
        return list(items.values())

    def read(self, item: ImportItem) -> tuple[dict[str, Any], str]:
        """The dictionary in a file, and the BLAKE2b-128 of its bytes.

        Raises :class:`ImportedFileError` for other contents and for a file of no known video.
        """
        if self._id(item.path) is None:
            raise ImportedFileError(
                item.path,
                f"no video of the index is called '{item.path.stem}', nor has it as its alias",
            )
        content = read_bytes(item.path)
        value = parse_pickle(content, item.path)
        if not isinstance(value, dict):
            raise ImportedFileError(
                item.path, f"holds a {type(value).__name__}, where a dictionary is needed"
            )
        return value, hashlib.blake2b(content, digest_size=16).hexdigest()

    def _id(self, path: Path) -> str | None:
        name = video_id_of(path.stem)
        if self.ids is None:
            return name
        below = video_id_of(path.relative_to(self.source).with_suffix("").as_posix())
        return self.ids.get(below) or self.ids.get(name)


def ids_by_name(videos: Sequence[IndexedVideo]) -> dict[str, str]:
    """The ids of an index by id and alias. Raises ``UsageError`` for an alias of two videos."""
    aliases: dict[str, str] = {}
    for video in videos:
        if alias := video_id_of(video.other.get("alias", "")):
            other = aliases.setdefault(alias, video.video_id)
            if other != video.video_id:
                raise UsageError(
                    f"the index gives the videos '{other}' and '{video.video_id}' the same alias "
                    f"'{alias}'"
                )
    return aliases | {video.video_id: video.video_id for video in videos}


def entry(item: ImportItem, values: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401
    """What a dictionary has under a name; raises :class:`ImportedFileError` without it."""
    if name not in values:
        found = first_names([repr(key) for key in values], 10) or "nothing"
        raise ImportedFileError(item.path, f"has no {name!r}, but {found}")
    return values[name]


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
