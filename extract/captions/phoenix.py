"""RWTH-PHOENIX-Weather 2014T: German sentences, from the release's own corpus files.

``annotations/manual/PHOENIX-2014-T.SPLIT.corpus.csv``: fields between ``|``, quotation marks are
text. Frames lie in ``features/fullFrame-210x260px/SPLIT/NAME/images0001.png``.
https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX-2014-T/
"""

from pathlib import Path

from extract.captions.caption import Caption, Place, ReleaseCaptions, line_findings
from extract.captions.release_files import Record, find_files, read_records

PHOENIX_FILES = {split: f"PHOENIX-2014-T.{split}.corpus.csv" for split in ("train", "dev", "test")}
COLUMNS = ("name", "video", "start", "end", "speaker", "orth", "translation")

_FOLDERS = (".", "annotations/manual", "PHOENIX-2014-T/annotations/manual")
_PHOENIX_FRAMES = "features/fullFrame-210x260px"


def read_phoenix(source: Path) -> ReleaseCaptions:
    """The captions of the splits that are below ``source``.

    Raises ``CaptionFileError`` where there are none.
    """
    captions: list[Caption] = []
    wrong: list[str] = []
    files = find_files(source, PHOENIX_FILES, _FOLDERS)
    for split, path in files.items():
        read = read_records(path, COLUMNS, unquoted="|")
        captions += [_phoenix_caption(record, split) for record in read.records]
        wrong += read.unreadable
    release = next(iter(files.values())).absolute().parent.parent.parent
    frames = release / _PHOENIX_FRAMES
    return ReleaseCaptions(
        tuple(captions), tuple(line_findings(wrong, ())), frames if frames.is_dir() else None
    )


def _phoenix_caption(record: Record, split: str) -> Caption:
    fields = record.fields
    return Caption(
        video_id=fields["name"],
        split=split,
        text=fields["translation"],
        origin=record.origin,
        places=(Place(fields["name"]),),
        columns={
            "language": "de",
            "signer": fields["speaker"],
            "sentence_id": fields["name"],  # two videos of equal words stay two entries
            "gloss": fields["orth"],
        },
    )
