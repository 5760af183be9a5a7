"""The publication's caption files, for all three sets: ``data_*/{train,dev,test}.pkl``.

A pickle of entry name -> a dictionary (PHOENIX-2014T), or a list of one dictionary a video of that
sentence (CSL-Daily, How2Sign): ``video_name``, English ``text``, ``ori_text`` where it was
translated, and How2Sign's official name of the clip as ``new_video_name``.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from extract.captions.caption import (
    Caption,
    Finding,
    Place,
    ReleaseCaptions,
    line_findings,
    signer_of,
)
from extract.captions.release_files import CaptionFileError, find_files
from seds_core.errors import ImportedFileError
from seds_core.untrusted_pickles import read_pickle

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
