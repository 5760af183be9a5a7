"""Hits in a long recording: overlapping windows that were found become one moment.

The best window is where a moment begins to be looked for. A window beside it joins under two
conditions. It scores nearly as well: one that only touches what is sought scores like the rest of
the recording, by which it is measured. And it has more of what is sought: some word is found better
in it, beyond the moment so far. So a sentence that is longer than a window fills several, while a
sign that two windows hold whole does not make the moment as long as both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from search.results import Span


@dataclass(frozen=True)
class WordPeaks:
    """Of each word that is sought, its best clip in each window of a recording."""

    similarities: Float[np.ndarray, "entry word"]
    middles: Float[np.ndarray, "entry word"]
    """Seconds of the recording in the middle of that clip."""


def windows_of_moment(
    scores: Float[np.ndarray, " entry"],
    spans: Sequence[Span],
    best: int,
    tolerance: float,
    *,
    peaks: WordPeaks | None = None,
    taken: Sequence[Span] = (),
) -> range:
    """Returns which windows of a recording make the moment around the window ``best``.

    All are in the order of the windows. A window joins that overlaps the one before it, but no
    moment in ``taken``, and lacks at most the fraction ``tolerance`` of what the best one is above
    the median of all. With ``peaks``, some word has to be found better in it, outside of the
    others, and as well as words are found on the average.

    >>> spans = [Span(n, n + 2.0) for n in range(5)]
    >>> windows_of_moment(np.array([0.1, 0.5, 0.6, 0.2, 0.1]), spans, 2, 0.25)
    range(1, 3)
    """
    least = scores[best] - tolerance * (scores[best] - np.median(scores))
    first = last = best

    def joins(place: int, beside: int) -> bool:
        if not 0 <= place < len(spans) or scores[place] < least:
            return False
        span = spans[place]
        if not overlap(span, spans[beside]) or any(overlap(span, moment) for moment in taken):
            return False
        if peaks is None:
            return True
        found, so_far = peaks.similarities[place], peaks.similarities[first : last + 1].max(axis=0)
        # A word that is signed nowhere here is still most like some clip: it has no say.
        is_better = (found > so_far) & (found >= so_far.mean())
        middle = peaks.middles[place]
        is_outside = (middle < spans[first].start) | (middle > spans[last].end)
        return bool((is_better & is_outside).any())

    # Both sides in turn, so that neither takes what the other has.
    while True:
        before = first, last
        first -= joins(first - 1, first)
        last += joins(last + 1, last)
        if before == (first, last):
            return range(first, last + 1)


def overlap(one: Span, other: Span) -> bool:
    """Whether two spans have some time in common; touching is not enough."""
    return max(one.start, other.start) < min(one.end, other.end)
