"""Hits in a long recording: overlapping windows that were found become one moment.

The best window is where a moment begins to be looked for. Windows beside it, one after the other,
are part of the moment as long as they score nearly as well: a sentence that is longer than a window
fills several, while a window that only touches what is sought scores like the rest of the
recording. What is nearly as well is therefore measured against the recording itself.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from search.results import Span


def windows_of_moment(
    scores: Float[np.ndarray, " entry"],
    spans: Sequence[Span],
    best: int,
    tolerance: float,
    taken: Sequence[Span] = (),
) -> range:
    """Returns which windows of a recording make the moment around the window ``best``.

    All are in the order of the windows. A window joins that overlaps the one before it, but no
    moment in ``taken``, and lacks at most the fraction ``tolerance`` of what the best one is above
    the median of all.

    >>> spans = [Span(n, n + 2.0) for n in range(5)]
    >>> windows_of_moment(np.array([0.1, 0.5, 0.6, 0.2, 0.1]), spans, 2, 0.25)
    range(1, 3)
    """
    least = scores[best] - tolerance * (scores[best] - np.median(scores))

    def reach(step: int) -> int:
        place = best
        while 0 <= place + step < len(spans):
            span = spans[place + step]
            is_free = not any(overlap(span, moment) for moment in taken)
            if scores[place + step] < least or not is_free or not overlap(span, spans[place]):
                break
            place += step
        return place

    return range(reach(-1), reach(1) + 1)


def overlap(one: Span, other: Span) -> bool:
    """Whether two spans have some time in common; touching is not enough."""
    return max(one.start, other.start) < min(one.end, other.end)
