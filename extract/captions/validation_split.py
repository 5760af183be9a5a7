"""A validation split for sets that have none: a fixed share of the training sentences."""

import dataclasses
import hashlib
import unicodedata
from collections.abc import Sequence

from extract.captions.caption import Caption, Finding


def with_validation(
    captions: Sequence[Caption], share: float
) -> tuple[tuple[Caption, ...], tuple[Finding, ...]]:
    """The captions, some of ``train`` in ``dev`` where nothing else is.

    All videos of a sentence go together; which sentences go depends on their words alone, so that
    it stays when videos or sentences are added. At least one goes, unless there is only one.
    """
    sentences = {normalised(c.text) for c in captions if c.split == "train"}
    if not share or len(sentences) < 2 or any(c.split == "dev" for c in captions):
        return tuple(captions), ()
    chosen = {s for s in sentences if fixed_position(s) < share}
    chosen = chosen or {min(sentences, key=fixed_position)}
    moved = tuple(
        dataclasses.replace(caption, split="dev")
        if caption.split == "train" and normalised(caption.text) in chosen
        else caption
        for caption in captions
    )
    names = tuple(caption.video_id for caption in moved if caption.split == "dev")
    text = (
        "training videos that become dev, as the set has no validation split "
        f"({share:.0%} of the sentences, always the same ones)"
    )
    return moved, (Finding("note", text, names),)


def normalised(sentence: str) -> str:
    """A sentence without what does not make it another one: case, spaces and coding of letters.

    >>> normalised("  Hello,\\tYOU ")
    'hello, you'
    """
    return " ".join(unicodedata.normalize("NFKC", sentence).casefold().split())


def fixed_position(sentence: str) -> float:
    """A place in [0, 1) that depends on the sentence alone, evenly spread over sentences.

    >>> round(fixed_position("hello"), 4)
    0.6551
    """
    digest = hashlib.blake2b(sentence.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
