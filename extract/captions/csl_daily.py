"""CSL-Daily: Chinese sentences, from the release's own label files.

``sentence_label/video_map.txt`` has the sentences, ``split_1.txt`` the splits, both with ``|``
between the fields. Frames lie in ``sentence/frames_512x512/NAME/000000.jpg``; a name is the
sentence, the person and the take, such as ``S000020_P0004_T00``.
http://home.ustc.edu.cn/~zhouh156/dataset/csl-daily/
"""

from collections.abc import Iterator
from pathlib import Path

from extract.captions.caption import (
    Caption,
    Finding,
    Place,
    ReleaseCaptions,
    line_findings,
    signer_of,
)
from extract.captions.release_files import CaptionFileError, Record, find_files, read_records

CAPTIONS = "video_map.txt"
CAPTION_COLUMNS = ("index", "name", "length", "gloss", "char", "word", "postag")
SPLITS = "split_1.txt"
SPLIT_COLUMNS = ("name", "split")

_CSL_DAILY_FRAMES = ("sentence/frames_512x512", "sentence_frames-512x512/frames_512x512")


def read_csl_daily(source: Path) -> ReleaseCaptions:
    """The captions of all videos that have a sentence and a split.

    In the release as it is, each of the two files has one video that the other has not; such
    videos are named and left out. Raises ``CaptionFileError`` for missing files.
    """
    folder = source.parent if source.name in (CAPTIONS, SPLITS) else source
    files = find_files(folder, {"captions": CAPTIONS, "splits": SPLITS}, (".", "sentence_label"))
    for key, name in (("captions", CAPTIONS), ("splits", SPLITS)):
        if key not in files:
            raise CaptionFileError(f"no {name} beside {next(iter(files.values()))}")
    captions = read_records(files["captions"], CAPTION_COLUMNS, unquoted="|")
    given = read_records(files["splits"], SPLIT_COLUMNS, unquoted="|")
    splits = {record.fields["name"]: record.fields["split"] for record in given.records}
    known = {record.fields["name"] for record in captions.records}
    wrong = line_findings(captions.unreadable + given.unreadable, ())
    return ReleaseCaptions(
        tuple(
            _csl_daily_caption(r, splits) for r in captions.records if r.fields["name"] in splits
        ),
        (*_unmatched(known, splits), *wrong),
        videos=_frames(files["captions"].absolute().parent),
    )


def _csl_daily_caption(record: Record, splits: dict[str, str]) -> Caption:
    name = record.fields["name"]
    return Caption(
        video_id=name,
        split=splits[name],
        text="".join(record.fields["char"].split()),
        origin=record.origin,
        places=(Place(name),),
        columns={
            "language": "zh",
            "signer": signer_of(name),
            "sentence_id": name.split("_")[0],
            "gloss": record.fields["gloss"],
        },
    )


def _unmatched(known: set[str], splits: dict[str, str]) -> Iterator[Finding]:
    """What stands in one of the two files only."""
    without_caption = tuple(name for name in splits if name not in known)
    if without_caption:
        text = f"videos of {SPLITS} that {CAPTIONS} has not, left out"
        yield Finding("without_caption", text, without_caption)
    without_split = tuple(sorted(known - splits.keys()))
    if without_split:
        text = f"videos of {CAPTIONS} that {SPLITS} has not, left out"
        yield Finding("without_split", text, without_split)


def _frames(labels: Path) -> Path | None:
    places = (
        release / frames for release in (labels, labels.parent) for frames in _CSL_DAILY_FRAMES
    )
    return next((place for place in places if place.is_dir()), None)
