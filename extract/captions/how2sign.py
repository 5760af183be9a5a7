"""How2Sign: the re-aligned tables, one line a sentence of a recording.

``how2sign_realigned_{train,val,test}.csv``: tabs between the fields (or what a spreadsheet put in
their place), and quotation marks around sentences that have some. Recordings are
``VIDEO_NAME.mp4``, ready clips ``SENTENCE_NAME.mp4``.
https://how2sign.github.io/
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from extract.captions.caption import (
    Caption,
    Finding,
    Place,
    ReleaseCaptions,
    line_findings,
    signer_of,
)
from extract.captions.part_columns import part_columns, seconds
from extract.captions.person_boxes import CROP_SIZE, read_crops
from extract.captions.release_files import Record, find_files, read_records

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
