"""The caption files of PHOENIX-2014T, CSL-Daily and of the publication."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from extract.interchange.captions import (
    Caption,
    CaptionFileError,
    Finding,
    Place,
    Record,
    ReleaseCaptions,
    find_files,
    line_findings,
    read_records,
    signer_of,
)
from seds_core.errors import ImportedFileError
from seds_core.untrusted_pickles import read_pickle

# FROM extract/captions/phoenix.py
# RWTH-PHOENIX-Weather 2014T: German sentences, from the release's own corpus files.
#
# ``annotations/manual/PHOENIX-2014-T.SPLIT.corpus.csv``: fields between ``|``, quotation marks are
# text. Frames lie in ``features/fullFrame-210x260px/SPLIT/NAME/images0001.png``.
# https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX-2014-T/


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


# FROM extract/captions/csl_daily.py
# CSL-Daily: Chinese sentences, from the release's own label files.
#
# ``sentence_label/video_map.txt`` has the sentences, ``split_1.txt`` the splits, both with ``|``
# between the fields. Frames lie in ``sentence/frames_512x512/NAME/000000.jpg``; a name is the
# sentence, the person and the take, such as ``S000020_P0004_T00``.
# http://home.ustc.edu.cn/~zhouh156/dataset/csl-daily/


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


# FROM extract/captions/published.py
# The publication's caption files, for all three sets: ``data_*/{train,dev,test}.pkl``.
#
# A pickle of entry name -> a dictionary (PHOENIX-2014T), or a list of one dictionary a video of that
# sentence (CSL-Daily, How2Sign): ``video_name``, English ``text``, ``ori_text`` where it was
# translated, and How2Sign's official name of the clip as ``new_video_name``.


PUBLISHED_FILES = {split: f"{split}.pkl" for split in ("train", "dev", "test")}


def read_published(source: Path) -> ReleaseCaptions:
    """The captions of a folder's splits, or of one file.

    PHOENIX-2014T's ``dev.pkl`` repeats the training set, on which nobody should validate: what
    ``train.pkl`` has is dropped from it, so that ``dev.pkl`` alone brings ``train.pkl`` with it.
    Raises ``CaptionFileError`` for files that cannot be used.
    """
    files = find_files(source, PUBLISHED_FILES)
    if "dev" in files and "train" not in files:
        files = {"train": _training_file(files["dev"]), **files}
    captions, lines = [], []
    for split, path in files.items():
        for found in _captions(path, split):
            if isinstance(found, Caption):
                captions.append(found)
            else:
                lines.append(found)
    kept, repeated = _without_training(captions)
    return ReleaseCaptions(kept, (*repeated, *line_findings(lines, ()), *_clips_only(kept)))


def _training_file(dev_file: Path) -> Path:
    """The file that tells which videos of ``dev_file`` train."""
    path = dev_file.with_name(PUBLISHED_FILES["train"])
    if path.is_file():
        return path
    raise CaptionFileError(
        f"{dev_file} may repeat the training set, as the published one of PHOENIX-2014T does; "
        f"put {path.name} beside it to tell them apart"
    )


def _captions(path: Path, split: str) -> Iterator[Caption | str]:
    """The captions of a file, and a sentence for each entry that is none."""
    try:
        entries = read_pickle(path)
    except ImportedFileError as error:
        raise CaptionFileError(str(error)) from None
    if not isinstance(entries, dict) or not entries:
        raise CaptionFileError(f"{path} is no caption file: expected entries by name")
    for name, entry in entries.items():
        origin = f"{path.name}, entry '{name}'"
        for video in entry if isinstance(entry, list) else [entry]:
            if isinstance(video, dict) and _is_text(video, "video_name", "text"):
                yield _published_caption(video, str(name), split, origin)
            else:
                yield f"{origin}: expected a dictionary with the texts video_name and text"


def _is_text(video: dict[Any, Any], *keys: str) -> bool:
    return all(isinstance(video.get(key), str) for key in keys)


def _published_caption(video: dict[str, Any], entry: str, split: str, origin: str) -> Caption:
    name = str(video["video_name"])
    video_id = str(video.get("new_video_name", name))
    alias = name if name != video_id else ""
    return Caption(
        video_id=video_id,
        split=split,
        text=video["text"].strip(),
        origin=origin,
        places=tuple(Place(place) for place in dict.fromkeys((name, video_id))),
        columns={
            "original_text": str(video.get("ori_text", "")).strip(),
            "language": "en",
            "signer": signer_of(video_id),
            "sentence_id": entry,
            "alias": alias,
        },
    )


def _without_training(
    captions: Sequence[Caption],
) -> tuple[tuple[Caption, ...], tuple[Finding, ...]]:
    """The captions without those of ``dev`` that are training videos."""
    train = {caption.video_id for caption in captions if caption.split == "train"}
    repeated = tuple(c.video_id for c in captions if c.split == "dev" and c.video_id in train)
    if not repeated:
        return tuple(captions), ()
    kept = tuple(c for c in captions if c.split != "dev" or c.video_id not in train)
    text = f"videos of {PUBLISHED_FILES['dev']} that {PUBLISHED_FILES['train']} has as well, dropped from dev"
    return kept, (Finding("note", text, repeated),)


def _clips_only(captions: tuple[Caption, ...]) -> tuple[Finding, ...]:
    if not any(caption.columns["alias"] for caption in captions):
        return ()
    text = (
        "these captions name How2Sign's sentence clips; to cut the clips out of its recordings, "
        "read the re-aligned tables (seds-extract captions how2sign)"
    )
    return (Finding("note", text),)
