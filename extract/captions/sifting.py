"""Which captions an index cannot have: empty ones, and second ones of a video."""

from collections.abc import Sequence

from extract.captions.caption import Caption, Finding

_FIRST_SERVED = ("test", "dev")
"""Splits that keep a video which stands in several: what is evaluated on must not train."""


def without_empty(captions: Sequence[Caption]) -> tuple[tuple[Caption, ...], tuple[Finding, ...]]:
    """The captions with a sentence."""
    empty = tuple(f"{c.video_id} ({c.origin})" for c in captions if not c.text)
    if not empty:
        return tuple(captions), ()
    text = "empty captions, left out"
    kept = tuple(caption for caption in captions if caption.text)
    return kept, (Finding("empty_caption", text, empty),)


def without_duplicates(
    captions: Sequence[Caption],
) -> tuple[tuple[Caption, ...], tuple[Finding, ...]]:
    """Every video once, in the order of the captions: of the test split before dev before others.

    Within a split the first one stays.
    """
    first: dict[str, Caption] = {}
    names = []
    for caption in sorted(captions, key=_precedence):
        kept = first.setdefault(caption.video_id, caption)
        if kept is not caption:
            names.append(f"{caption.video_id} ({kept.origin}; again in {caption.origin})")
    if not names:
        return tuple(captions), ()
    text = "ids that are given again; the first one is taken, of test before dev before others"
    unique = tuple(c for c in captions if first[c.video_id] is c)
    return unique, (Finding("duplicate_id", text, tuple(names)),)


def _precedence(caption: Caption) -> int:
    if caption.split in _FIRST_SERVED:
        return _FIRST_SERVED.index(caption.split)
    return len(_FIRST_SERVED)
