"""The pickles of a published data set, one a video, and whose they are."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extract.interchange.imported import ImportItem, files_below
from seds_core.dataset_index import IndexedVideo, read_index
from seds_core.errors import ImportedFileError, UsageError
from seds_core.untrusted_pickles import parse_pickle, read_bytes
from seds_core.video_id import video_id_of

SUFFIX = ".pkl"


@dataclass(frozen=True)
class VideoNames:
    """The ids of an index, under every name that a published file may have."""

    by_name: Mapping[str, str]
    """Id or alias -> id."""

    @classmethod
    def of(cls, videos: Sequence[IndexedVideo]) -> "VideoNames":
        """The names of an index's videos. Raises ``UsageError`` for an alias of two videos."""
        aliases: dict[str, str] = {}
        for video in videos:
            if alias := video_id_of(video.other.get("alias", "")):
                other = aliases.setdefault(alias, video.video_id)
                if other != video.video_id:
                    raise UsageError(
                        f"the index gives the videos '{other}' and '{video.video_id}' the same "
                        f"alias '{alias}'"
                    )
        return cls(aliases | {video.video_id: video.video_id for video in videos})

    def id_of(self, relative: Path) -> str | None:
        """The id of the video of a file, by its path below the source or by its name alone."""
        stem = relative.with_suffix("")
        paths = video_id_of(stem.as_posix()), video_id_of(stem.name)
        return self.by_name.get(paths[0]) or self.by_name.get(paths[1])


@dataclass(frozen=True)
class PublishedFiles:
    """``<source>/**/<video>.pkl``."""

    source: Path
    names: VideoNames | None
    """``None``: every file is its own video's."""

    @classmethod
    def open(cls, source: Path, index: Path | None) -> "PublishedFiles":
        """The files below a folder, of the videos of an index if there is one."""
        return cls(source, VideoNames.of(read_index(index)) if index else None)

    def items(self) -> list[ImportItem]:
        """The files by path; those of no known video are among them, and fail when read.

        Raises ``UsageError`` when there are none, and when two are of one video.
        """
        items: dict[str, ImportItem] = {}
        for path in files_below(self.source, SUFFIX):
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
        if self.names is None:
            return video_id_of(path.stem)
        return self.names.id_of(path.relative_to(self.source))


def entry(item: ImportItem, values: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401
    """What a dictionary has under a name; raises :class:`ImportedFileError` without it."""
    if name not in values:
        found = ", ".join(repr(key) for key in list(values)[:10]) or "nothing"
        raise ImportedFileError(item.path, f"has no {name!r}, but {found}")
    return values[name]
