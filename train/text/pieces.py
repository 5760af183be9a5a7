"""Which words of a sentence stand at which positions of what a tokenizer makes of it."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

TextSpan: TypeAlias = tuple[int, int]
"""First character and the one after the last; equal for a position without characters."""

_JOINERS = frozenset("'\u2019-_\u00b7")
"""Inside a word, as in "don't" and "INDEX_left"; at its ends they are no part of it."""

_WITHOUT_SPACES = ("CJK UNIFIED", "CJK COMPATIBILITY", "HIRAGANA", "KATAKANA")
"""Beginnings of the names of characters of which each may be a word."""


@dataclass(frozen=True)
class SentencePieces:
    """A tokenised sentence as words: the positions of one word belong together."""

    words: tuple[str, ...]
    """Words of which something is left, in their order."""
    word_of: tuple[int | None, ...]
    """Position -> its word; ``None`` for start, end and punctuation. Padding has no positions."""
    pieces: tuple[str, ...]
    """Position -> what stands there, to be shown: part of a word, ``[start]``, ``[end]``."""
    unknown: tuple[str, ...]
    """Those of the words that have a piece which the encoder does not know."""
    num_cut: int
    """Words of which nothing is left, since the sentence is too long."""


def pieced(
    text: str, spans: Sequence[TextSpan], is_known: Sequence[bool], *, kept: Sequence[int] = ()
) -> SentencePieces:
    """Groups positions by the words of ``text`` that their characters belong to.

    ``kept`` says which of the positions remain; without it, all of them.

    >>> found = pieced("A fl-ower!", [(0, 0), (0, 1), (2, 4), (4, 9), (9, 10), (9, 9)], [True] * 6)
    >>> found.words, found.word_of
    (('A', 'fl-ower'), (None, 0, 1, 1, None, None))
    >>> found.pieces
    ('[start]', 'A', 'fl', '-ower', '!', '[end]')
    """
    words = list(word_spans(text))
    for span, known in zip(spans, is_known, strict=True):
        of_span = [word for word in words if _overlap(span, word)]
        if len(of_span) > 1:  # A token of several Chinese characters makes one word of them.
            words = [word for word in words if word not in of_span]
            words.append((of_span[0][0], of_span[-1][1]))
        # A sign that the encoder does not know, such as a picture, is nothing but a word.
        if not of_span and not known and span[0] < span[1]:
            words.append(span)
        words.sort()
    positions = list(kept) or range(len(spans))
    found = [
        next((n for n, word in enumerate(words) if _overlap(spans[position], word)), None)
        for position in positions
    ]
    left = sorted({word for word in found if word is not None})
    names = {word: text[slice(*words[word])] for word in left}
    unknown = {
        n for n, p in zip(found, positions, strict=True) if n is not None and not is_known[p]
    }
    return SentencePieces(
        words=tuple(names.values()),
        word_of=tuple(None if word is None else left.index(word) for word in found),
        pieces=tuple(
            text[slice(*spans[p])] or ("[end]" if place else "[start]")
            for place, p in enumerate(positions)
        ),
        unknown=tuple(names[word] for word in sorted(unknown)),
        num_cut=len(words) - len(left),
    )


def word_spans(text: str) -> Iterator[TextSpan]:
    """Yields where words are: runs of letters, digits and marks; each character of Chinese.

    >>> text = "I don't. 你好"
    >>> [text[start:end] for start, end in word_spans(text)]
    ['I', "don't", '你', '好']
    """
    start: int | None = None
    for position, character in enumerate(f"{text} "):
        is_alone = unicodedata.name(character, "").startswith(_WITHOUT_SPACES)
        if _is_of_word(character) and not is_alone:
            start = position if start is None else start
            continue
        is_inside = start is not None and _is_of_word(text[position + 1 : position + 2])
        if character in _JOINERS and is_inside:
            continue
        if start is not None:
            yield start, position
            start = None
        if is_alone:
            yield position, position + 1


def _is_of_word(character: str) -> bool:
    return bool(character) and unicodedata.category(character)[0] in "LMN"


def _overlap(one: TextSpan, other: TextSpan) -> bool:
    return max(one[0], other[0]) < min(one[1], other[1])
