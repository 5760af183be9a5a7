"""Which captions an index gets, which videos validate, and what to know about the sentences."""

import dataclasses
import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence

from open_clip.tokenizer import SimpleTokenizer

from extract.interchange.captions import Caption, Finding
from seds_core.dataset_index import IndexedVideo


def without_empty(captions: Sequence[Caption]) -> tuple[tuple[Caption, ...], tuple[Finding, ...]]:
    """The captions with a sentence, and a finding that names the others."""
    empty = tuple(f"{c.video_id} ({c.origin})" for c in captions if not c.text)
    if not empty:
        return tuple(captions), ()
    kept = tuple(caption for caption in captions if caption.text)
    return kept, (Finding("empty_caption", "empty captions, left out", empty),)


def without_duplicates(
    captions: Sequence[Caption],
) -> tuple[tuple[Caption, ...], tuple[Finding, ...]]:
    """The captions with every video once, in their order, and a finding that names the others.

    A video stays in the test split before dev before others, because what a model is evaluated on
    must not train it; within a split the first one stays.
    """
    first: dict[str, Caption] = {}
    names = []
    precedence = {"test": 0, "dev": 1}
    # The sort is stable: within a split the first one stays the first.
    for caption in sorted(captions, key=lambda c: precedence.get(c.split, 2)):
        kept = first.setdefault(caption.video_id, caption)
        if kept is not caption:
            names.append(f"{caption.video_id} ({kept.origin}; again in {caption.origin})")
    if not names:
        return tuple(captions), ()
    text = "ids that are given again; the first one is taken, of test before dev before others"
    unique = tuple(c for c in captions if first[c.video_id] is c)
    return unique, (Finding("duplicate_id", text, tuple(names)),)


def with_validation(
    videos: Sequence[IndexedVideo], fraction: float, *, keeps_sentences: bool
) -> tuple[tuple[IndexedVideo, ...], tuple[Finding, ...]]:
    """The videos, a fraction of ``train`` moved to ``dev`` where no other video is in it.

    All videos of a sentence move together, at least one sentence, unless there is only one; with
    ``keeps_sentences`` single videos move, and never the last one that a sentence has in ``train``.
    The choice depends on nothing but each sentence's words, or each video's id, so that it stays
    when others are added.
    """
    takes = defaultdict(list)
    for video in videos:
        if video.split == "train":
            takes[normalised(video.text)].append(video.video_id)
    if not fraction or not takes or any(video.split == "dev" for video in videos):
        return tuple(videos), ()
    # Of the candidates, sentences or ids, those that hash below the fraction move, or the lowest.
    if keeps_sentences:
        candidates = [n for names in takes.values() for n in sorted(names, key=fixed_position)[:-1]]
    else:
        candidates = list(takes) if len(takes) > 1 else []
    low = {name for name in candidates if fixed_position(name) < fraction}
    low = low or set(sorted(candidates, key=fixed_position)[:1])
    chosen = low if keeps_sentences else {name for sentence in low for name in takes[sentence]}
    if not chosen:
        return tuple(videos), ()
    moved = tuple(
        dataclasses.replace(video, split="dev")
        if video.split == "train" and video.video_id in chosen
        else video
        for video in videos
    )
    # A table's own split was changed, which has to be seen; a release's was not made by the user.
    names = tuple(video.video_id for video in videos if video.video_id in chosen)
    if keeps_sentences:
        text = (
            "training videos were taken for dev, as the set has no validation split; "
            "every sentence keeps one in train (--dev-share 0 leaves them in train)"
        )
        return moved, (Finding("dev_from_train", text, names),)
    text = (
        "training videos that become dev, as the set has no validation split "
        f"({fraction:.0%} of the sentences, always the same ones; "
        "--dev-share 0 leaves them in train)"
    )
    return moved, (Finding("note", text, names),)


def empty_splits(videos: Sequence[IndexedVideo]) -> Iterator[Finding]:
    """A finding where no video trains, or none validates."""
    present = {video.split for video in videos}
    empty = [split for split in ("train", "dev") if split not in present]
    if empty:
        yield Finding("empty_split", f"the index has no videos of {' and none of '.join(empty)}")


def long_captions(videos: Sequence[IndexedVideo], max_tokens: int) -> Iterator[Finding]:
    """A finding on sentences of more than ``max_tokens`` tokens of CLIP, start and end included."""
    # Sentences repeat, so that each is tokenised once.
    byte_pairs = SimpleTokenizer()
    lengths = {text: len(byte_pairs.encode(text)) + 2 for text in {v.text for v in videos}}
    names = tuple(
        f"{v.video_id} ({lengths[v.text]} tokens)" for v in videos if lengths[v.text] > max_tokens
    )
    if names:
        text = (
            f"captions of more than {max_tokens} tokens of CLIP (up to {max(lengths.values())}); "
            f"a model reads {max_tokens} of them, evenly chosen"
        )
        yield Finding("long_caption", text, names)


def shared_sentences(videos: Sequence[IndexedVideo]) -> Iterator[Finding]:
    """Findings on sentences of ``train`` that are also in the test or dev split."""
    train = {normalised(video.text) for video in videos if video.split == "train"}
    for split in ("test", "dev"):
        texts = dict.fromkeys(video.text for video in videos if video.split == split)
        sentences = tuple(text for text in texts if normalised(text) in train)
        if sentences:
            text = f"sentences of {split} that are in train as well, left as they are"
            yield Finding("shared_sentence", text, sentences)


def normalised(sentence: str) -> str:
    """A sentence without differences that mean nothing: case, spaces, coding of letters.

    >>> normalised("  Hello,\\tYOU ")
    'hello, you'
    """
    return " ".join(unicodedata.normalize("NFKC", sentence).casefold().split())


def fixed_position(text: str) -> float:
    """A number in [0, 1) that depends on the text alone, evenly distributed over texts.

    >>> round(fixed_position("hello"), 4)
    0.6551
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
