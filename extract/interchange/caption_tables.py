"""Captions as tables and as JSON: a user's own, or those of How2Sign."""

import json
import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from extract.interchange.captions import (
    Caption,
    CaptionFileError,
    Finding,
    Place,
    Record,
    Records,
    ReleaseCaptions,
    find_files,
    line_findings,
    read_records,
    read_text,
    signer_of,
)
from extract.videos.part import PART_COLUMNS, read_part
from seds_core.errors import ImportedFileError
from seds_core.untrusted_pickles import read_pickle
from seds_core.video_id import video_id_of


def read_json_records(source: Path, own: Collection[str], others: Collection[str]) -> Records:
    """The objects of a file; the names of their values are taken in lower case.

    Of the values named in ``own`` and ``others``, texts and numbers are taken, and ``null`` is
    empty; an object with another value, or whose ``text`` is a number, is unreadable. Raises
    ``CaptionFileError`` for a file that cannot be read.
    """
    wanted = {*own, *others}
    records, wrong, columns = [], [], dict[str, None]()
    for origin, value in _values(source):
        try:
            record, names = _record(origin, value, wanted)
        except ValueError as error:
            wrong.append(f"{origin}: {error}")
        else:
            records.append(record)
            columns |= dict.fromkeys(names)
    return Records(tuple(records), tuple(columns), tuple(wrong), ())


def _values(source: Path) -> Iterator[tuple[str, Any]]:
    """Each entry's place and value; ``None`` for a line that is no JSON."""
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
            yield f"{source.name}, line {number}", _parsed(line)


def _parsed(line: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _record(origin: str, value: Any, wanted: set[str]) -> tuple[Record, list[str]]:  # noqa: ANN401
    """An object's fields, and all its names; ``ValueError`` for what is none."""
    if not isinstance(value, dict):
        raise ValueError("no JSON object; expected an array of objects, or one object a line")
    named = {str(name).strip().lower(): content for name, content in value.items()}
    fields = {name: _text(name, named[name]) for name in wanted & named.keys()}
    return Record(origin, fields), list(named)


def _text(name: str, value: Any) -> str:  # noqa: ANN401
    """A value as a table has it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, str) or value is None:
        text = value or ""
    elif is_number and name != "text":
        text = str(value)
    else:
        raise ValueError(f"{name} is {json.dumps(value)[:60]}; expected a text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds half a character: {json.dumps(value)[:60]}") from None
    return text.strip()


# FROM extract/captions/person_boxes.py
# Person boxes of How2Sign's sentences as crops: the publication's pickles, or the same as JSON.
#
# The publication's preparation cuts ``image[y1 : y1 + h, x1 : x1 + w]`` out of the recording and
# resizes it to 256 x 256. https://github.com/FangyunWei/SLRT (CiCo/data_preparation)


CROP_SIZE = "256x256"


def read_crops(paths: Iterable[Path]) -> dict[str, str]:
    """Crops ``left,top,width,height`` in pixels of the recording, by the clip's published name.

    Raises ``CaptionFileError`` for a file that cannot be used.
    """
    return {name: crop for path in paths for name, crop in _crops(path)}


def _crops(path: Path) -> Iterator[tuple[str, str]]:
    boxes = _boxes(path)
    if not isinstance(boxes, dict) or not boxes:
        raise CaptionFileError(f"{path} has no person boxes: expected boxes by file name")
    for name, box in boxes.items():
        try:
            yield str(name).removesuffix(".mp4"), _crop(box)
        except (TypeError, KeyError, ValueError, OverflowError):
            raise CaptionFileError(
                f"{path}: the box of '{name}' is {str(box)[:100]}; expected x1, y1, w and h "
                "in pixels"
            ) from None


def _boxes(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        if path.suffix.lower() == ".json":
            return json.loads(read_text(path))
        return read_pickle(path)
    except ImportedFileError as error:
        raise CaptionFileError(str(error)) from None
    except json.JSONDecodeError as error:
        raise CaptionFileError(f"{path} is no JSON: {error}") from None


def _crop(box: Any) -> str:  # noqa: ANN401 - whatever the file holds
    """A box without what lies left of the image or above it; ``ValueError`` for an empty one."""
    x, y, width, height = (int(box[key]) for key in ("x1", "y1", "w", "h"))
    left, top = max(x, 0), max(y, 0)
    width, height = x + width - left, y + height - top
    if width < 1 or height < 1:
        raise ValueError("empty")
    return f"{left},{top},{width},{height}"


_DECIMAL_COMMA = re.compile(r"\d+,\d+", re.ASCII)
_CLOCK = re.compile(
    r"(?:(?P<hours>\d+):(?=[0-5]?\d:))?(?P<minutes>\d+):(?P<seconds>[0-5]?\d)"
    r"(?:[.,](?P<fraction>\d+))?",
    re.ASCII,
)


def part_columns(fields: Mapping[str, str]) -> dict[str, str]:
    """The columns ``start``, ``end``, ``crop`` and ``size``, those that are there.

    Times become seconds. Raises ``ValueError`` with a sentence for what is no part.

    >>> part_columns({"start": "0:01:02.5", "end": "63,25", "text": "Hi"})
    {'start': '62.5', 'end': '63.25'}
    """
    part = {name: fields[name].strip() for name in PART_COLUMNS if name in fields}
    part |= {name: seconds(part[name]) for name in ("start", "end") if name in part}
    read_part(part)
    return part


def seconds(time: str) -> str:
    """A time in seconds: ``HH:MM:SS.mmm`` and ``MM:SS`` are added up, a comma becomes a point.

    What is another thing stays as it is.
    """
    if _DECIMAL_COMMA.fullmatch(time):
        return time.replace(",", ".")
    clock = _CLOCK.fullmatch(time)
    if clock is None:
        return time
    hours, minutes, rest = (int(clock[key] or 0) for key in ("hours", "minutes", "seconds"))
    total = (hours * 60 + minutes) * 60 + rest
    return f"{total}.{clock['fraction']}" if clock["fraction"] else str(total)


COLUMNS = (
    "original_text", "language", "signer", "sentence_id", "alias", "gloss", *PART_COLUMNS,
)  # fmt: skip
"""Taken over into the index where a table has them."""

OWN_COLUMNS = ("video_id", "path", "split", "text")

_SPLITS = {
    "train": "train", "dev": "dev", "test": "test", "training": "train", "val": "dev",
    "valid": "dev", "validation": "dev", "": "train",
}  # fmt: skip
"""Names in lower case -> an index's own names; others stay as they are."""


def read_table(source: Path, videos: Path | None, language: str | None) -> ReleaseCaptions:
    """The captions of a table with ``text`` and ``video_id`` or ``path``; ``split`` may be absent.

    Columns are found whatever their case. Paths start at ``videos``, or at the table's own folder.
    A video without an id has its path's name. Raises ``CaptionFileError`` for a table that cannot
    be used.
    """
    is_json = source.suffix.lower() in (".jsonl", ".ndjson", ".json")
    read = read_json_records(source, OWN_COLUMNS, COLUMNS) if is_json else read_records(source)
    captions, wrong = [], list(read.unreadable)
    for record in read.records:
        try:
            captions.append(_caption(record, videos or source.absolute().parent, language))
        except ValueError as error:
            wrong.append(f"{record.origin}: {error}")
    if not captions:
        raise CaptionFileError(_nothing_found(source, read, wrong))
    return ReleaseCaptions(
        tuple(captions),
        (*_notes(read.columns), *line_findings(wrong, read.odd_quotes)),
    )


def _nothing_found(source: Path, read: Records, wrong: list[str]) -> str:
    found = ", ".join(filter(None, read.columns)) or "nothing"
    first = f"; {wrong[0]}" if wrong else ""
    return (
        f"{source} has no captions; expected the columns text and video_id or path, found: "
        f"{found}{first}"
    )


def _caption(record: Record, folder: Path, language: str | None) -> Caption:
    """A record's caption; ``ValueError`` with a sentence for one that makes none."""
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
        places=(Place(video_id, part),),
        path=folder / path if path else None,
        columns=columns,
    )


def _notes(columns: Iterable[str]) -> Iterator[Finding]:
    names = tuple(name for name in columns if name and name not in (*OWN_COLUMNS, *COLUMNS))
    if names:
        yield Finding("note", "columns that are not taken over", names)
    if "split" not in columns:
        yield Finding("note", "the table has no column split: all its videos train")


# FROM extract/captions/how2sign.py
# How2Sign: the re-aligned tables, one line a sentence of a recording.
#
# ``how2sign_realigned_{train,val,test}.csv``: tabs between the fields (or what a spreadsheet put in
# their place), and quotation marks around sentences that have some. Recordings are
# ``VIDEO_NAME.mp4``, ready clips ``SENTENCE_NAME.mp4``.
# https://how2sign.github.io/


FILES = {key: f"how2sign_realigned_{key}.csv" for key in ("train", "val", "test")}
HOW2SIGN_COLUMNS = (
    "video_id", "video_name", "sentence_id", "sentence_name", "start_realigned", "end_realigned",
    "sentence",
)  # fmt: skip
"""In lower case; the release has them in capital letters."""

_FOLDERS = (
    ".", "{key}", "english_translation/{key}", "sentence_level/{key}/text/en/raw_text/re_aligned",
)  # fmt: skip


def read_how2sign(source: Path, boxes: Sequence[Path] = ()) -> ReleaseCaptions:
    """The captions of the tables that are below ``source``; a recording's part, or a ready clip.

    ``boxes`` crop what is cut out of a recording; ready clips are taken as they are. Raises
    ``CaptionFileError`` for files that cannot be used.
    """
    crops = read_crops(boxes)
    captions: list[Caption] = []
    wrong: list[str] = []
    odd: list[str] = []
    for key, path in find_files(source, FILES, _FOLDERS).items():
        table = read_records(path, HOW2SIGN_COLUMNS)
        wrong += table.unreadable
        odd += table.odd_quotes
        aliases = published_names(table.records)
        for record in table.records:
            split = "dev" if key == "val" else key
            try:
                captions.append(_how2sign_caption(record, split, aliases[record.origin], crops))
            except ValueError as error:
                wrong.append(f"{record.origin}: {error}")
    findings = _without_box(captions, crops) if boxes else ()
    return ReleaseCaptions(tuple(captions), (*findings, *line_findings(wrong, odd)))


def published_names(records: Sequence[Record]) -> dict[str, str]:
    """The names that the publication gave the clips, by the line's origin.

    It numbers a recording's sentences by their start, all of them, also those that it then skips;
    equal starts keep the order of the file.
    """
    recordings = defaultdict(list)
    for record in records:
        recordings[record.fields["video_name"]].append(record)
    return {
        record.origin: f"{recording}_clip{number}"
        for recording, sentences in recordings.items()
        for number, record in enumerate(sorted(sentences, key=_start))
    }


def _start(record: Record) -> float:
    """Where a sentence begins, or infinity for what is no time: it comes last and moves no other
    number.
    """
    try:
        start = float(seconds(record.fields["start_realigned"]))
    except ValueError:
        return math.inf
    return start if start >= 0 else math.inf


def _part(record: Record) -> dict[str, str]:
    """The part of the recording; ``ValueError`` for a line that names none."""
    start, end = (record.fields[f"{name}_realigned"] for name in ("start", "end"))
    if start and end:
        with suppress(ValueError):
            return part_columns({"start": start, "end": end})
    raise ValueError(f"the part from '{start}' to '{end}' s; expected seconds, the end after start")


def _how2sign_caption(record: Record, split: str, alias: str, crops: Mapping[str, str]) -> Caption:
    fields = record.fields
    name = fields["sentence_name"]
    part = _part(record)
    if alias in crops:
        part |= {"crop": crops[alias], "size": CROP_SIZE}
    return Caption(
        video_id=name,
        split=split,
        text=fields["sentence"],
        origin=record.origin,
        places=(Place(alias), Place(name), Place(fields["video_name"], part)),
        columns={
            "language": "en",
            "signer": signer_of(name),
            "sentence_id": fields["sentence_id"],
            "alias": alias,
        },
    )


def _without_box(captions: Sequence[Caption], crops: Mapping[str, str]) -> Iterator[Finding]:
    names = tuple(c.video_id for c in captions if c.columns["alias"] not in crops)
    if names:
        text = (
            "sentences without a person box, whose recordings are not cropped "
            "(seds-extract boxes finds the signer)"
        )
        yield Finding("without_box", text, names)
