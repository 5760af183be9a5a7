"""Captions of anybody's own: a table of comma or tab separated values, or JSON lines."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from extract.captions.caption import Caption, Finding, Place, ReleaseCaptions, unreadable
from extract.captions.release_files import CaptionFileError, read_text

COLUMNS = (
    "original_text", "language", "signer", "sentence_id", "alias", "gloss", "start", "end", "crop",
    "size",
)  # fmt: skip
"""Taken over into the index where a table has them."""

_OWN = ("video_id", "path", "split", "text")
_SPLITS = {"val": "dev", "valid": "dev", "validation": "dev", "": "train"}
_DELIMITERS = ",\t;|"


def read_table(source: Path, videos: Path | None, language: str | None) -> ReleaseCaptions:
    """The captions of a table with ``text`` and ``video_id`` or ``path``; ``split`` may be absent.

    Paths start at ``videos``, or at the table's own folder. A video without an id has its path's
    name. Raises ``CaptionFileError`` for a table that cannot be used.
    """
    is_json = source.suffix.lower() in (".jsonl", ".ndjson", ".json")
    rows = _json_rows(source) if is_json else _table_rows(source)
    captions, lines, columns = [], [], dict[str, None]()
    for origin, row in rows:
        columns |= dict.fromkeys(row)
        if isinstance(row.get("text"), str) and (row.get("video_id") or row.get("path")):
            captions.append(_caption(origin, row, videos or source.absolute().parent, language))
        else:
            lines.append(f"{origin}: no text, or neither video_id nor path")
    if not captions:
        raise CaptionFileError(
            f"{source} has no captions; expected the columns text and video_id or path, "
            f"found: {', '.join(columns) or 'nothing'}"
        )
    return ReleaseCaptions(
        tuple(captions), (*_ignored(columns), *_all_train(columns), *unreadable(lines))
    )


def _table_rows(source: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each record's place and fields; records that are too long or too short have no text."""
    text = read_text(source)
    header = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(header))
    try:
        for row in reader:
            fits = None not in row and None not in row.values()
            yield f"{source.name}, line {reader.line_num}", dict(row) if fits else {}
    except csv.Error as error:
        raise CaptionFileError(f"{source}, line {reader.line_num}: {error}") from None


def _delimiter(header: str) -> str:
    """What stands between most of the header's fields."""
    return max(_DELIMITERS, key=header.count)


def _json_rows(source: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line's place and its object; what is no object has no text."""
    for number, line in enumerate(read_text(source).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            value = None
        row = value if isinstance(value, dict) else {}
        yield f"{source.name}, line {number}", {str(k): _shown(v) for k, v in row.items()}


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return "" if value is None else str(value)


def _caption(origin: str, row: dict[str, str], folder: Path, language: str | None) -> Caption:
    path, split = row.get("path", "").strip(), row.get("split", "").strip()
    video_id = row.get("video_id", "").strip() or Path(path).stem
    columns = {name: row[name].strip() for name in COLUMNS if name in row}
    part = {name: columns.pop(name) for name in ("start", "end", "crop", "size") if name in columns}
    columns["language"] = columns.get("language") or language or ""
    return Caption(
        video_id=video_id,
        split=_SPLITS.get(split, split),
        text=" ".join(row["text"].split()),
        origin=origin,
        places=(Place(video_id, part),),
        path=folder / path if path else None,
        columns=columns,
    )


def _ignored(columns: dict[str, None]) -> Iterator[Finding]:
    names = tuple(name for name in columns if name not in (*_OWN, *COLUMNS))
    if names:
        yield Finding("note", "columns that are not taken over", names)


def _all_train(columns: dict[str, None]) -> Iterator[Finding]:
    if "split" not in columns:
        yield Finding("note", "the table has no column split: all its videos train")
