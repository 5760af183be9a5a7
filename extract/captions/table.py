"""Captions of anybody's own: a table of text (:mod:`seds_core.tables`), or JSON."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from extract.captions.caption import Caption, Finding, Place, ReleaseCaptions, line_findings
from extract.captions.json_captions import read_json_records
from extract.captions.part_columns import part_columns
from extract.captions.release_files import CaptionFileError, Record, Records, read_records
from extract.videos.part import PART_COLUMNS
from seds_core.video_id import video_id_of

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
