"""A validation split for sets that have none: a fixed share of what trains."""

import dataclasses
import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence

from extract.captions.caption import Finding
from seds_core.dataset_index import IndexedVideo

_ADVICE = "--dev-share 0 leaves them in train"


def with_validation(
    videos: Sequence[IndexedVideo], share: float, *, keeps_sentences: bool
) -> tuple[tuple[IndexedVideo, ...], tuple[Finding, ...]]:
    """The videos, some of ``train`` in ``dev`` where nothing else is.

    All videos of a sentence go together, at least one sentence, unless there is only one; with
    ``keeps_sentences`` single videos go, and never the last one that a sentence has in ``train``.
    The choice depends on the sentences' words, or on the videos' ids, alone, so that it stays when
    others are added.
    """
    train = [video for video in videos if video.split == "train"]
    if not share or not train or any(video.split == "dev" for video in videos):
        return tuple(videos), ()
    chosen = _single_videos(train, share) if keeps_sentences else _whole_sentences(train, share)
    if not chosen:
        return tuple(videos), ()
    moved = tuple(
        dataclasses.replace(video, split="dev")
        if video.split == "train" and video.video_id in chosen
        else video
        for video in videos
    )
    names = tuple(video.video_id for video in videos if video.video_id in chosen)
    if keeps_sentences:
        text = (
            "training videos were taken for dev, as the set has no validation split; "
            f"every sentence keeps one in train ({_ADVICE})"
        )
        return moved, (Finding("dev_from_train", text, names),)
    text = (
        "training videos that become dev, as the set has no validation split "
        f"({share:.0%} of the sentences, always the same ones; {_ADVICE})"
    )
    return moved, (Finding("note", text, names),)


def empty_splits(videos: Sequence[IndexedVideo]) -> Iterator[Finding]:
    """Says that nothing trains, or that nothing validates."""
    there = {video.split for video in videos}
    empty = [split for split in ("train", "dev") if split not in there]
    if empty:
        yield Finding("empty_split", f"the index has no videos of {' and none of '.join(empty)}")


def _whole_sentences(train: Sequence[IndexedVideo], share: float) -> set[str]:
    """The ids of all videos of some sentences."""
    sentences = {normalised(video.text) for video in train}
    if len(sentences) < 2:
        return set()
    chosen = {sentence for sentence in sentences if fixed_position(sentence) < share}
    chosen = chosen or {min(sentences, key=fixed_position)}
    return {video.video_id for video in train if normalised(video.text) in chosen}


def _single_videos(train: Sequence[IndexedVideo], share: float) -> set[str]:
    """The ids of some videos, which leave every sentence at least one."""
    takes = defaultdict(list)
    for video in train:
        takes[normalised(video.text)].append(video.video_id)
    spare = [name for names in takes.values() for name in sorted(names, key=fixed_position)[:-1]]
    chosen = {name for name in spare if fixed_position(name) < share}
    return chosen or ({min(spare, key=fixed_position)} if spare else set())


def normalised(sentence: str) -> str:
    """A sentence without what does not make it another one: case, spaces and coding of letters.

    >>> normalised("  Hello,\\tYOU ")
    'hello, you'
    """
    return " ".join(unicodedata.normalize("NFKC", sentence).casefold().split())


def fixed_position(text: str) -> float:
    """A place in [0, 1) that depends on the text alone, evenly spread over texts.

    >>> round(fixed_position("hello"), 4)
    0.6551
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
