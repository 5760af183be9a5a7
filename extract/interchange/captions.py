"""Captions as every reader returns them, and a user's own: a table, or JSON objects.

A release's own files are read in :mod:`extract.interchange.caption_releases`.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from extract.videos.part import PART_COLUMNS, read_part
from seds_core import tables
from seds_core.errors import UsageError
from seds_core.tables import TableError, WrongLine, open_table
from seds_core.video_id import video_id_of

FindingKind = Literal[
    "note",
    "unreadable_line",
    "odd_quotes",
    "without_caption",
    "without_split",
    "without_box",
    "empty_caption",
    "duplicate_id",
    "missing_video",
    "long_caption",
    "shared_sentence",
    "dev_from_train",
    "empty_split",
]


class CaptionFileError(UsageError):
    """Caption files that cannot be used; the message names the file and what was expected."""


@dataclass(frozen=True)
class Finding:
    """Something to know about the captions before training with them."""

    kind: FindingKind
    text: str
    """What was found and what became of it."""
    names: tuple[str, ...] = ()
    """All videos, lines or sentences that it is about; empty for a note on the whole set."""


@dataclass(frozen=True)
class Candidate:
    """A name, without folder and ending, under which a caption's video may be found."""

    name: str
    part: Mapping[str, str] = field(default_factory=dict)
    """Index columns that cut the video out of such a file; empty for a file of its own."""


@dataclass(frozen=True)
class Caption:
    """A video and its sentence."""

    video_id: str
    split: str
    text: str
    origin: str
    """File and line or entry, for messages."""
    candidates: tuple[Candidate, ...]
    """Where to look for the video, best first; the last one is the release's own name."""
    path: Path | None = None
    """The video, where the caption file names it."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Further columns of the index; an empty value is left out."""


@dataclass(frozen=True)
class ReleaseCaptions:
    """All captions of a release."""

    captions: tuple[Caption, ...]
    findings: tuple[Finding, ...] = ()
    videos: Path | None = None
    """Folder of the release's own videos, if it is there."""


@dataclass(frozen=True)
class Record:
    """One line or entry of a caption file."""

    origin: str
    fields: Mapping[str, str]
    """By column, in lower case."""


@dataclass
class LineProblems:
    """Lines of a release's files that are no captions, or doubtful ones."""

    unreadable: list[str] = field(default_factory=list)
    """One sentence a line: where it is, and what is wrong."""
    odd_quotes: list[str] = field(default_factory=list)
    """Where quotation marks do not match and were taken as text."""

    def findings(self) -> Iterator[Finding]:
        """At most one finding of each kind."""
        if self.unreadable:
            text = "lines or entries that cannot be read, left out"
            yield Finding("unreadable_line", text, tuple(self.unreadable))
        if self.odd_quotes:
            text = "lines with quotation marks that do not match, which are taken as text"
            yield Finding("odd_quotes", text, tuple(self.odd_quotes))


def read_records(
    path: Path, problems: LineProblems, columns: Sequence[str] = (), *, unquoted: str = ""
) -> tuple[list[Record], tuple[str, ...]]:
    """Reads the records of a table, and its columns; adds its bad lines to ``problems``.

    ``unquoted`` is as in :func:`seds_core.tables.open_table`. Raises :class:`CaptionFileError` for
    a file that cannot be read or lacks one of ``columns``.
    """
    records = []
    try:
        with open_table(path, unquoted=unquoted) as table:
            if missing := [name for name in columns if name not in table.columns]:
                raise CaptionFileError(
                    f"{path} has no column {' and no column '.join(missing)}; its first line is "
                    f"'{table.header[:200]}', expected {', '.join(columns)}"
                )
            for row in table.rows():
                origin = f"{path.name}, line {row.line}"
                # A wrong line costs itself: the lines around it are read.
                if isinstance(row, WrongLine):
                    problems.unreadable.append(f"{origin}: {row.problem}")
                    continue
                records.append(Record(origin, row.fields))
                if row.has_odd_quotes:
                    problems.odd_quotes.append(origin)
    except TableError as error:
        raise CaptionFileError(str(error)) from None
    return records, table.columns


def read_text(path: Path) -> str:
    """Reads a text file; raises :class:`CaptionFileError` for one that cannot be read."""
    try:
        return tables.read_text(path)
    except TableError as error:
        raise CaptionFileError(str(error)) from None


def find_files(
    source: Path, names: Mapping[str, str], folders: Sequence[str] = (".",)
) -> dict[str, Path]:
    """Finds the files of a release: those of ``names`` (key -> file name) that exist, by key.

    ``source`` is one of the files, or a folder that has them in one of ``folders`` (``{key}``
    stands for the key). Raises :class:`CaptionFileError` where none exists.
    """
    if source.is_file():
        found = {key: source for key, name in names.items() if name == source.name}
        if found:
            return found
    # Copies of a release differ in how deep its files lie: the first folder with any is taken.
    for folder in folders:
        paths = {key: source / folder.format(key=key) / name for key, name in names.items()}
        found = {key: path for key, path in paths.items() if path.is_file()}
        if found:
            return found
    problem = f"no captions in {source}" if source.exists() else f"{source} does not exist"
    searched = ", ".join(folder for folder in folders if folder != ".") or "top"
    raise CaptionFileError(
        f"{problem}; expected {' or '.join(names.values())}, in that folder or its {searched}"
    )


OWN_COLUMNS = ("video_id", "path", "split", "text")

# Copied into the index where a table has them.
COLUMNS = (
    "original_text", "language", "signer", "sentence_id", "alias", "gloss", *PART_COLUMNS,
)  # fmt: skip

# Split names in lower case -> an index's own names; other names stay as they are.
_SPLITS = {
    "train": "train", "dev": "dev", "test": "test", "training": "train", "val": "dev",
    "valid": "dev", "validation": "dev", "": "train",
}  # fmt: skip


def read_table(source: Path, videos: Path | None, language: str | None) -> ReleaseCaptions:
    """Reads the captions of a table with ``text`` and ``video_id`` or ``path``.

    Columns are found in any case, and ``split`` may be missing. Paths are relative to ``videos``,
    or to the table's own folder. A video without an id gets its path's name. Raises
    ``CaptionFileError`` for a table that cannot be used.
    """
    # Both forms give records alike, so that a column means the same in a table and in JSON.
    problems = LineProblems()
    if source.suffix.lower() in (".jsonl", ".ndjson", ".json"):
        records, columns = read_json_records(source, problems, (*OWN_COLUMNS, *COLUMNS))
    else:
        records, columns = read_records(source, problems)
    folder = videos or source.absolute().parent
    captions = []
    for record in records:
        row = record.fields
        path, split = row.get("path", ""), row.get("split", "")
        video_id = video_id_of(row.get("video_id") or Path(path).stem)
        if "text" not in row or not video_id:
            problems.unreadable.append(f"{record.origin}: no text, or neither video_id nor path")
            continue
        try:
            part = part_columns(row)
        except ValueError as error:
            problems.unreadable.append(f"{record.origin}: {error}")
            continue
        others = {name: row[name] for name in COLUMNS if name in row and name not in part}
        others["language"] = others.get("language") or language or ""
        captions.append(
            Caption(
                video_id=video_id,
                split=_SPLITS.get(split.lower(), split),
                text=" ".join(row["text"].split()),
                origin=record.origin,
                candidates=(Candidate(video_id, part),),
                path=folder / path if path else None,
                columns=others,
            )
        )
    # Lines may be wrong, but a table without any caption is another file than was meant.
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
    # An array is parsed whole, so that damage anywhere refuses it; of lines, each for itself.
    text = read_text(source)
    if text.lstrip().startswith("["):
        try:
            entries = json.loads(text)
        # Brackets within brackets, thousands deep, end in a RecursionError.
        except (ValueError, RecursionError) as error:
            raise CaptionFileError(f"{source} is no JSON array of objects: {error}") from None
        for number, value in enumerate(entries, start=1):
            yield f"{source.name}, entry {number}", value
        return
    # Not splitlines, which also ends lines at signs that JSON texts may hold, such as U+2028.
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
# Minutes go up to 59 behind hours, and without a limit where there are none.
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
    # What is no number is refused where the part is read.
    if clock is None:
        return time
    hours, minutes, rest = (int(clock[key] or 0) for key in ("hours", "minutes", "seconds"))
    total = (hours * 60 + minutes) * 60 + rest
    return f"{total}.{clock['fraction']}" if clock["fraction"] else str(total)


_SIGNER = re.compile(
    r"S\d+_(?P<csl>P\d+)_T\d+"  # CSL-Daily: sentence, person, take
    r"|.+-(?P<how2sign>\d+)-rgb_(front|side)",  # How2Sign: recording, signer, camera
    re.ASCII,
)


def signer_of(video_id: str) -> str:
    """Reads the signer out of a name of CSL-Daily or How2Sign; empty for other names.

    >>> signer_of("S000020_P0004_T00"), signer_of("-fZc293MpJk_0-1-rgb_front"), signer_of("a-1")
    ('P0004', '1', '')
    """
    found = _SIGNER.fullmatch(video_id)
    return (found["csl"] or found["how2sign"]) if found else ""
