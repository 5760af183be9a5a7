"""Captions as every reader gives them, and how the lines of caption files become records."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from seds_core import tables
from seds_core.errors import UsageError
from seds_core.tables import TableError, WrongLine, open_table

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
