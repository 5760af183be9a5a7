"""The list of a data set's videos: a table (:mod:`seds_core.tables`) with one line a video.

Columns ``video_id`` and ``path`` are needed; ``split`` and ``text`` are for training and may be
left out for extraction. Other columns are kept, their names in lower case.
Relative paths start at the table's own folder.
"""

import csv
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seds_core.errors import UsageError, first_names
from seds_core.files import write_whole
from seds_core.tables import Table, TableError, TableRow, WrongLine, open_table
from seds_core.video_id import video_id_of

REQUIRED_COLUMNS = ("video_id", "path")
COLUMNS = (*REQUIRED_COLUMNS, "split", "text")
"""What every index that is written here has; the other columns come behind."""

_LINE_BREAKS = re.compile(r"[\r\n]+")
_SHOWN = 20
"""Wrong lines that are named."""


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

    Raises :class:`IndexFileError` for a missing or unreadable file, missing columns, and once for
    all lines with a field too many or too few, with empty fields, or with an id that was there
    before.
    """
    videos: dict[str, IndexedVideo] = {}
    wrong: list[str] = []
    try:
        with open_table(path) as table:
            _check_columns(path, table)
            for row in table.rows():
                problem = row.problem if isinstance(row, WrongLine) else _add(videos, row, path)
                if problem:
                    wrong.append(f"line {row.line}: {problem}")
    except TableError as error:
        raise IndexFileError(f"the index {error}") from None
    if wrong:
        shown = first_names(wrong, _SHOWN, separator="; ")
        raise IndexFileError(f"the index {path}, {shown}")
    if not videos:
        raise IndexFileError(f"the index {path} lists no videos")
    return list(videos.values())


def write_index(path: Path, videos: Sequence[IndexedVideo]) -> None:
    """Writes an index as a whole or not at all; :func:`read_index` reads the same videos from it.

    Line breaks in texts become blanks. Paths below the index's own folder are written relative to
    it, others in full. Columns of ``other`` are written in the order in which the videos bring
    them. Raises :class:`IndexFileError` where the file cannot be written.
    """
    others = dict.fromkeys(name for video in videos for name in video.other)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, (*COLUMNS, *others), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_line(video, path.parent) for video in videos)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.getvalue().encode(), durable=False)
    except OSError as error:
        raise IndexFileError(f"the index {path} cannot be written: {error.strerror}") from None
    except UnicodeEncodeError as error:
        # The error holds the whole table: only the line that cannot be encoded is shown.
        wrong = error.object[error.object.rfind("\n", 0, error.start) + 1 :].partition("\n")[0]
        raise IndexFileError(
            f"the index {path} cannot be written: {wrong!a} is no UTF-8; rename it"
        ) from None


def _line(video: IndexedVideo, folder: Path) -> dict[str, str]:
    # Not resolved: links keep their names.
    whole = Path(os.path.abspath(video.path))
    base = os.path.abspath(folder)
    written = whole.relative_to(base) if whole.is_relative_to(base) else whole
    return {
        "video_id": video.video_id,
        "path": str(written),
        "split": video.split,
        "text": _LINE_BREAKS.sub(" ", video.text),
        **{name: _LINE_BREAKS.sub(" ", value) for name, value in video.other.items()},
    }


def _check_columns(path: Path, table: Table) -> None:
    missing = [name for name in REQUIRED_COLUMNS if name not in table.columns]
    if missing:
        raise IndexFileError(
            f"the index {path} has no column {' and no column '.join(missing)}; "
            f"its first line names: {', '.join(filter(None, table.columns)) or 'nothing'}"
        )


def _add(videos: dict[str, IndexedVideo], row: TableRow, index: Path) -> str:
    """Adds a line's video to those before it, or says why it cannot be."""
    values = dict(row.fields)
    empty = [name for name in REQUIRED_COLUMNS if not values[name]]
    if empty:
        return f"the field {empty[0]} is empty"
    # Once these and the path are taken out, ``values`` holds the columns that only the user knows.
    known = {name: values.pop(name, "") for name in ("video_id", "split", "text")}
    known["video_id"] = video_id_of(known["video_id"])
    if known["video_id"] in videos:
        return f"the video_id '{known['video_id']}' is there twice"
    path = index.parent / values.pop("path")
    videos[known["video_id"]] = IndexedVideo(path=path, other=values, **known)
    return ""
