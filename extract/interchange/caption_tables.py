"""A user's own captions: a table, or JSON objects, with a text and a video id or path."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from extract.interchange.captions import (
    Candidate,
    Caption,
    CaptionFileError,
    Finding,
    LineProblems,
    Record,
    ReleaseCaptions,
    read_records,
    read_text,
)
from extract.videos.part import PART_COLUMNS, read_part
from seds_core.video_id import video_id_of

OWN_COLUMNS = ("video_id", "path", "split", "text")

COLUMNS = (
    "original_text", "language", "signer", "sentence_id", "alias", "gloss", *PART_COLUMNS,
)  # fmt: skip
"""Copied into the index where a table has them."""

_SPLITS = {
    "train": "train", "dev": "dev", "test": "test", "training": "train", "val": "dev",
    "valid": "dev", "validation": "dev", "": "train",
}  # fmt: skip
"""Split names in lower case -> an index's own names; other names stay as they are."""


def read_table(source: Path, videos: Path | None, language: str | None) -> ReleaseCaptions:
    """Reads the captions of a table with ``text`` and ``video_id`` or ``path``.

    Columns are found in any case, and ``split`` may be missing. Paths are relative to ``videos``,
    or to the table's own folder. A video without an id gets its path's name. Raises
    ``CaptionFileError`` for a table that cannot be used.
    """
    problems = LineProblems()
    if source.suffix.lower() in (".jsonl", ".ndjson", ".json"):
        records, columns = read_json_records(source, problems, (*OWN_COLUMNS, *COLUMNS))
    else:
        records, columns = read_records(source, problems)
    captions = []
    for record in records:
        try:
            captions.append(_caption(record, videos or source.absolute().parent, language))
        except ValueError as error:
            problems.unreadable.append(f"{record.origin}: {error}")
    if not captions:
        found = ", ".join(filter(None, columns)) or "nothing"
        first = f"; {problems.unreadable[0]}" if problems.unreadable else ""
        raise CaptionFileError(
            f"{source} has no captions; expected the columns text and video_id or path, found: "
            f"{found}{first}"
        )
    findings = []
    if unused := tuple(name for name in columns if name and name not in (*OWN_COLUMNS, *COLUMNS)):
        findings.append(Finding("note", "columns that are not copied", unused))
    if "split" not in columns:
        findings.append(Finding("note", "the table has no column split: all its videos train"))
    return ReleaseCaptions(tuple(captions), (*findings, *problems.findings()))


def _caption(record: Record, folder: Path, language: str | None) -> Caption:
    """The caption of a record; raises ``ValueError`` where it is none."""
    row = record.fields
    path, split = row.get("path", ""), row.get("split", "")
    video_id = video_id_of(row.get("video_id") or Path(path).stem)
    if "text" not in row or not video_id:
        raise ValueError("no text, or neither video_id nor path")
    part = part_columns(row)
    columns = {name: row[name] for name in COLUMNS if name in row and name not in part}
    columns["language"] = columns.get("language") or language or ""
    return Caption(
        video_id=video_id,
        split=_SPLITS.get(split.lower(), split),
        text=" ".join(row["text"].split()),
        origin=record.origin,
        candidates=(Candidate(video_id, part),),
        path=folder / path if path else None,
        columns=columns,
    )


def read_json_records(
    source: Path, problems: LineProblems, wanted: Collection[str]
) -> tuple[list[Record], tuple[str, ...]]:
    """Reads the objects of a JSON array, or one a line, and all names in them, in lower case.

    Records hold the values named in ``wanted``: texts and numbers, and nothing for ``null``. An
    object with another such value, or whose ``text`` is a number, is added to ``problems``. Raises
    ``CaptionFileError`` for a file that cannot be read.
    """
    records, names = [], dict[str, None]()
    for origin, value in _json_values(source):
        try:
            if not isinstance(value, dict):
                raise ValueError(
                    "no JSON object; expected an array of objects, or one object a line"
                )
            named = {str(name).strip().lower(): content for name, content in value.items()}
            fields = {name: _json_text(name, named[name]) for name in wanted if name in named}
        except ValueError as error:
            problems.unreadable.append(f"{origin}: {error}")
        else:
            records.append(Record(origin, fields))
            names |= dict.fromkeys(named)
    return records, tuple(names)


def _json_values(source: Path) -> Iterator[tuple[str, Any]]:
    """Every entry's position and value; the value is ``None`` for a line that is no JSON."""
    text = read_text(source)
    if text.lstrip().startswith("["):
        try:
            entries = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CaptionFileError(f"{source} is no JSON array of objects: {error}") from None
        for number, value in enumerate(entries, start=1):
            yield f"{source.name}, entry {number}", value
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            yield f"{source.name}, line {number}", value


def _json_text(name: str, value: Any) -> str:  # noqa: ANN401
    """A JSON value as the field of a table; raises ``ValueError`` for one that is no text."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, str) or value is None:
        text = value or ""
    elif is_number and name != "text":
        text = str(value)
    else:
        raise ValueError(f"{name} is {json.dumps(value)[:60]}; expected a text")
    try:
        text.encode()
    except UnicodeEncodeError:  # a surrogate, which no index could hold
        raise ValueError(f"{name} holds half a character: {json.dumps(value)[:60]}") from None
    return text.strip()


def part_columns(fields: Mapping[str, str]) -> dict[str, str]:
    """The columns ``start``, ``end``, ``crop`` and ``size`` that exist, with times in seconds.

    Raises ``ValueError`` for values that are no part of a recording.

    >>> part_columns({"start": "0:01:02.5", "end": "63,25", "text": "Hi"})
    {'start': '62.5', 'end': '63.25'}
    """
    part = {name: fields[name].strip() for name in PART_COLUMNS if name in fields}
    part |= {name: seconds(part[name]) for name in ("start", "end") if name in part}
    read_part(part)
    return part


_DECIMAL_COMMA = re.compile(r"\d+,\d+", re.ASCII)
_CLOCK = re.compile(
    r"(?:(?P<hours>\d+):(?=[0-5]?\d:))?(?P<minutes>\d+):(?P<seconds>[0-5]?\d)"
    r"(?:[.,](?P<fraction>\d+))?",
    re.ASCII,
)


def seconds(time: str) -> str:
    """A time in seconds: adds up ``HH:MM:SS.mmm`` and ``MM:SS``, makes a decimal comma a point.

    Other text is returned as it is.
    """
    if _DECIMAL_COMMA.fullmatch(time):
        return time.replace(",", ".")
    clock = _CLOCK.fullmatch(time)
    if clock is None:
        return time
    hours, minutes, rest = (int(clock[key] or 0) for key in ("hours", "minutes", "seconds"))
    total = (hours * 60 + minutes) * 60 + rest
    return f"{total}.{clock['fraction']}" if clock["fraction"] else str(total)
