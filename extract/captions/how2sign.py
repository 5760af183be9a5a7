"""How2Sign: the re-aligned tables, one line a sentence of a recording.

``how2sign_realigned_{train,val,test}.csv``: tabs between the fields, and quotation marks around
sentences that have some. Recordings are ``VIDEO_NAME.mp4``, ready clips ``SENTENCE_NAME.mp4``.
https://how2sign.github.io/
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from extract.captions.caption import (
    Caption,
    Finding,
    Place,
    ReleaseCaptions,
    signer_of,
    unreadable,
)
from extract.captions.person_boxes import CROP_SIZE, read_crops
from extract.captions.release_files import Record, find_files, read_records

FILES = {key: f"how2sign_realigned_{key}.csv" for key in ("train", "val", "test")}
COLUMNS = (
    "VIDEO_ID", "VIDEO_NAME", "SENTENCE_ID", "SENTENCE_NAME", "START_REALIGNED", "END_REALIGNED",
    "SENTENCE",
)  # fmt: skip

_FOLDERS = (
    ".", "{key}", "english_translation/{key}", "sentence_level/{key}/text/en/raw_text/re_aligned",
)  # fmt: skip


def read_how2sign(source: Path, boxes: Sequence[Path] = ()) -> ReleaseCaptions:
    """The captions of the tables that are below ``source``; a recording's part, or a ready clip.

    ``boxes`` crop what is cut out of a recording; ready clips are taken as they are. Raises
    ``CaptionFileError`` for files that cannot be used.
    """
    crops = read_crops(boxes)
    captions, lines = [], []
    for key, path in find_files(source, FILES, _FOLDERS).items():
        records, wrong = read_records(path, COLUMNS, "\t", is_quoted=True)
        lines += wrong
        aliases = published_names(records)
        for record in records:
            problem = _problem(record)
            if problem:
                lines.append(f"{record.origin}: {problem}")
            else:
                split = "dev" if key == "val" else key
                captions.append(_caption(record, split, aliases[record.origin], crops))
    findings = _without_box(captions, crops) if boxes else ()
    return ReleaseCaptions(tuple(captions), (*findings, *unreadable(lines)))


def published_names(records: Sequence[Record]) -> dict[str, str]:
    """The names that the publication gave the clips, by the line's origin.

    It numbers a recording's sentences by their start, all of them, also those that it then skips;
    equal starts keep the order of the file.
    """
    recordings = defaultdict(list)
    for record in records:
        recordings[record.fields["VIDEO_NAME"]].append(record)
    return {
        record.origin: f"{recording}_clip{number}"
        for recording, sentences in recordings.items()
        for number, record in enumerate(sorted(sentences, key=_start))
    }


def _start(record: Record) -> float:
    return _seconds(record.fields["START_REALIGNED"])


def _seconds(text: str) -> float:
    """A time, or infinity for what is none: it comes last and moves no other number."""
    try:
        seconds = float(text)
    except ValueError:
        return math.inf
    return seconds if seconds >= 0 else math.inf


def _problem(record: Record) -> str:
    """Why a line names no part of a recording; empty where it does."""
    start, end = (record.fields[f"{name}_REALIGNED"] for name in ("START", "END"))
    if _seconds(start) < _seconds(end) < math.inf:
        return ""
    return f"the part from '{start}' to '{end}' s; expected seconds, the end after the start"


def _caption(record: Record, split: str, alias: str, crops: Mapping[str, str]) -> Caption:
    fields = record.fields
    name = fields["SENTENCE_NAME"]
    part = {"start": fields["START_REALIGNED"], "end": fields["END_REALIGNED"]}
    if alias in crops:
        part |= {"crop": crops[alias], "size": CROP_SIZE}
    return Caption(
        video_id=name,
        split=split,
        text=fields["SENTENCE"],
        origin=record.origin,
        places=(Place(alias), Place(name), Place(fields["VIDEO_NAME"], part)),
        columns={
            "language": "en",
            "signer": signer_of(name),
            "sentence_id": fields["SENTENCE_ID"],
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
