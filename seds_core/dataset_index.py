"""The list of a data set's videos: a CSV file with one line a video.

Columns ``video_id`` and ``path`` are needed; ``split`` and ``text`` are for training and may be
left out for extraction. Other columns are kept for whoever reads them. Relative paths start at the
CSV file's own folder.
"""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seds_core.errors import UsageError
from seds_core.video_id import video_id_of

REQUIRED_COLUMNS = ("video_id", "path")
COLUMNS = (*REQUIRED_COLUMNS, "split", "text")
"""What every index that is written here has; the other columns come behind."""


class IndexFileError(UsageError):
    """An index that cannot be used; the message names the file, the line and what to change."""


@dataclass(frozen=True)
class IndexedVideo:
    """One line of an index."""

    video_id: str
    path: Path
    split: str = ""
    text: str = ""
    other: dict[str, str] = field(default_factory=dict)


def read_index(path: Path) -> list[IndexedVideo]:
    """Reads an index, in its order; whether the videos exist is not looked at.

    Raises :class:`IndexFileError` for a missing or unreadable file, missing columns, empty fields
    and ids that occur twice.
    """
    try:
        # utf-8-sig: spreadsheets write a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_columns(path, reader.fieldnames)
            videos = [_video(path, reader.line_num, line) for line in reader]
    except OSError as error:
        raise IndexFileError(f"the index {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise IndexFileError(f"the index {path} is not UTF-8 text; save it as UTF-8 CSV") from None
    if not videos:
        raise IndexFileError(f"the index {path} lists no videos")
    _check_unique(path, videos)
    return videos


def write_index(path: Path, videos: Sequence[IndexedVideo]) -> None:
    """Writes an index as a whole or not at all; :func:`read_index` reads the same videos from it.

    Paths below the index's own folder are written relative to it, others in full. Columns of
    ``other`` are written in the order in which the videos bring them. Raises
    :class:`IndexFileError` where the file cannot be written.
    """
    others = dict.fromkeys(name for video in videos for name in video.other)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, (*COLUMNS, *others), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(_line(video, path.parent) for video in videos)
        unfinished.replace(path)
    except OSError as error:
        raise IndexFileError(f"the index {path} cannot be written: {error.strerror}") from None


def _line(video: IndexedVideo, folder: Path) -> dict[str, str]:
    whole = Path(os.path.abspath(video.path))  # links keep their names
    base = os.path.abspath(folder)
    place = whole.relative_to(base) if whole.is_relative_to(base) else whole
    return {
        "video_id": video.video_id,
        "path": str(place),
        "split": video.split,
        "text": video.text,
        **video.other,
    }


def _check_columns(path: Path, columns: object) -> None:
    found = list(columns) if isinstance(columns, list | tuple) else []
    missing = [name for name in REQUIRED_COLUMNS if name not in found]
    if missing:
        raise IndexFileError(
            f"the index {path} has no column {' and no column '.join(missing)}; "
            f"its first line names: {', '.join(map(str, found)) or 'nothing'}"
        )


def _video(path: Path, line_number: int, line: dict[str, str]) -> IndexedVideo:
    values = {name: (value or "").strip() for name, value in line.items() if name is not None}
    for name in REQUIRED_COLUMNS:
        if not values[name]:
            raise IndexFileError(f"{path}, line {line_number}: the field {name} is empty")
    known = {name: values.pop(name, "") for name in ("video_id", "split", "text")}
    known["video_id"] = video_id_of(known["video_id"])
    return IndexedVideo(path=path.parent / values.pop("path"), other=values, **known)


def _check_unique(path: Path, videos: list[IndexedVideo]) -> None:
    seen: set[str] = set()
    for video in videos:
        if video.video_id in seen:
            raise IndexFileError(f"the index {path} has the video_id '{video.video_id}' twice")
        seen.add(video.video_id)
