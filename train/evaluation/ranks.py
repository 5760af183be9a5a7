"""Where every query's correct answer stands among all candidates, with ties left open.

Two directions: text to video (T2V) asks with each sentence of a split and is answered by any of its
videos, the best ranked of which counts; video to text (V2T) asks with each video and is answered by
its sentence. Sentences are unique, so that V2T has one correct answer.

A rank counts from 1. Candidates of exactly equal scores have no order. Let ``b`` candidates stand
above a query's best correct one, and ``w`` wrong and ``r >= 1`` correct ones have its score:

- the optimistic rank is ``b + 1``, the pessimistic one ``b + 1 + w``;
- the expected rank is the mean over all orders of the tied ones. Each of the ``w`` stands before
  all of the ``r`` with probability ``1 / (r + 1)``, so it is ``b + 1 + w / (r + 1)``;
- the rank is at most ``k`` with the probability that ``f = k - b`` positions, filled from the tied
  ones at random, are not all wrong: ``1 - C(w, f) / C(w + r, f)``, and 0 for ``f <= 0``.

The release of SEDS counts otherwise; :func:`published_ranks` repeats it to compare with published
scores, and for nothing else. The release ranks *entries*, lines of its caption files with a
sentence and its videos, and does not know that two of them may hold one sentence:

- text to video ranks the entries by their best video. An entry that is tied with ``m`` others gives
  ``m + 1`` ranks, one for each position they fill, and all of them are counted;
- video to text gives one rank a video, and the median of an even number of ranks is the lower of
  the two in the middle. Tied entries stand in whatever order an unstable sort leaves them in; here
  the earlier one stands first.

How2Sign's 1,964 test entries hold 1,925 sentences, PHOENIX-2014T's 642 hold 630: equal sentences of
two entries are tied for every video, and that order decides between them.
"""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

from seds_core.errors import UnavailableError

Direction = Literal["text_to_video", "video_to_text"]
DIRECTIONS: tuple[Direction, Direction] = ("text_to_video", "video_to_text")

BLOCK_VALUES = 2**22
"""Scores that are looked at together: a bound on the memory beside the scores themselves."""


class ScoreError(UnavailableError):
    """Scores that cannot be ranked."""


@dataclass(frozen=True)
class Ranks:
    """The ranks of all queries of one direction, as the module's docstring defines them."""

    num_better: Int64[np.ndarray, " query"]
    """Candidates above the best correct one."""
    num_tied_wrong: Int64[np.ndarray, " query"]
    """Wrong candidates with its score."""
    num_tied_correct: Int64[np.ndarray, " query"]
    """Correct candidates with its score, itself among them."""
    best_correct: Int64[np.ndarray, " query"]
    """The best correct candidate; of equal ones the first."""
    top_candidate: Int64[np.ndarray, " query"]
    """The best candidate of all; of equal ones the first."""

    @property
    def optimistic(self) -> Int64[np.ndarray, " query"]:
        """Ranks when ties are broken in favour of the correct answer."""
        return self.num_better + 1

    @property
    def pessimistic(self) -> Int64[np.ndarray, " query"]:
        """Ranks when ties are broken against it."""
        return self.num_better + 1 + self.num_tied_wrong

    @property
    def expected(self) -> Float[np.ndarray, " query"]:
        """Mean ranks over all orders of tied candidates."""
        return self.num_better + 1 + self.num_tied_wrong / (self.num_tied_correct + 1)

    def probability_within(self, k: int) -> Float[np.ndarray, " query"]:
        """Fraction of all orders of tied candidates in which the rank is at most ``k``."""
        positions = k - self.num_better
        all_wrong = np.ones(len(positions))
        # Position by position, the probability that all tied candidates so far are wrong. The
        # maxima keep 0 / 0 and counts below zero out once there are no more of them.
        for taken in range(k):
            wrong = np.maximum(self.num_tied_wrong - taken, 0)
            left = np.maximum(self.num_tied_wrong + self.num_tied_correct - taken, 1)
            all_wrong *= np.where(taken < positions, wrong / left, 1.0)
        return 1.0 - all_wrong


def rank_both_ways(
    scores: Float[np.ndarray, "video text"], text_of_video: Int64[np.ndarray, " video"]
) -> dict[Direction, Ranks]:
    """Ranks every sentence among the videos and every video among the sentences.

    ``text_of_video[v]`` is the column of the one sentence of video ``v``; every sentence has a
    video. Raises :class:`ScoreError` for scores that are not finite and for other indices.
    """
    texts = np.arange(scores.shape[1])
    if not np.array_equal(np.unique(text_of_video), texts):
        raise ScoreError(
            f"each of the {len(texts)} sentences must have a video, and each video one of them"
        )
    return {
        "text_to_video": _rank(scores.T, texts, text_of_video),
        "video_to_text": _rank(scores, text_of_video, texts),
    }


def best_candidates(
    scores: Float[np.ndarray, "query candidate"], count: int
) -> tuple[Int64[np.ndarray, "query _candidate"], Float[np.ndarray, "query _candidate"]]:
    """Returns the ``count`` best candidates of every query (or all) and their scores.

    Best first; of equal ones the first.
    """
    num_queries, num_candidates = scores.shape
    found = np.empty((num_queries, min(count, num_candidates)), np.int64)
    size = max(1, BLOCK_VALUES // num_candidates)
    for start in range(0, num_queries, size):
        # ``left`` loses the best candidate of every query in each turn.
        left = np.array(scores[start : start + size], order="C")
        for position in range(found.shape[1]):
            best = left.argmax(axis=1)
            found[start : start + size, position] = best
            left[np.arange(len(left)), best] = -np.inf
    return found, np.take_along_axis(scores, found, axis=1)


def chance_ranks(
    num_texts: int, text_of_video: Int64[np.ndarray, " video"]
) -> dict[Direction, Ranks]:
    """Ranks of a system that knows nothing: everything is tied with everything."""
    nothing = np.broadcast_to(np.float32(0), (len(text_of_video), num_texts))
    return rank_both_ways(nothing, text_of_video)


def _rank(
    scores: Float[np.ndarray, "query candidate"],
    text_of_query: Int64[np.ndarray, " query"],
    text_of_candidate: Int64[np.ndarray, " candidate"],
) -> Ranks:
    """Ranks queries among candidates, of which those with the same sentence are correct."""
    # A block of queries at a time: the comparisons below make arrays of the scores' size.
    size = max(1, BLOCK_VALUES // len(text_of_candidate))
    starts = range(0, len(text_of_query), size)
    blocks = [
        _rank_block(
            scores[start : start + size], text_of_query[start : start + size], text_of_candidate
        )
        for start in starts
    ]
    return Ranks(
        **{
            field.name: np.concatenate([getattr(block, field.name) for block in blocks])
            for field in fields(Ranks)
        }
    )


def _rank_block(
    scores: Float[np.ndarray, "query candidate"],
    text_of_query: Int64[np.ndarray, " query"],
    text_of_candidate: Int64[np.ndarray, " candidate"],
) -> Ranks:
    # NaN is above and below nothing: a query of such scores would count as a first rank.
    if not np.isfinite(scores).all():
        raise ScoreError(
            "some scores are not finite numbers: the model's output is broken, as it is after "
            "training that diverged"
        )
    is_correct = text_of_query[:, None] == text_of_candidate[None, :]
    best_correct = np.where(is_correct, scores, -np.inf).argmax(axis=1)
    best = scores[np.arange(len(scores)), best_correct][:, None]
    is_tied = scores == best
    num_tied_correct = np.count_nonzero(is_tied & is_correct, axis=1)
    return Ranks(
        num_better=np.count_nonzero(scores > best, axis=1),
        num_tied_wrong=np.count_nonzero(is_tied, axis=1) - num_tied_correct,
        num_tied_correct=num_tied_correct,
        best_correct=best_correct,
        top_candidate=scores.argmax(axis=1),
    )


def published_ranks(
    scores: Float[np.ndarray, "video text"],
    text_of_video: Int64[np.ndarray, " video"],
    entry_of_video: Int64[np.ndarray, " video"],
) -> dict[Direction, Int64[np.ndarray, " _"]]:
    """Ranks from 1 of both directions; more text-to-video ranks than entries where some are tied.

    Entries are numbered from 0, and all videos of one have one sentence.
    """
    num_entries = int(entry_of_video.max()) + 1
    text_of_entry = np.zeros(num_entries, np.int64)
    text_of_entry[entry_of_video] = text_of_video

    # Text to video: each entry scores as its best video. Rows are entries, columns queries.
    # reduceat takes maxima of runs of rows, so that an entry's videos have to lie together.
    by_entry = np.argsort(entry_of_video, kind="stable")
    starts = np.searchsorted(entry_of_video[by_entry], np.arange(num_entries))
    asked = np.maximum.reduceat(scores[by_entry], starts, axis=0)[:, text_of_entry]
    own = asked.diagonal()
    first_rank = np.count_nonzero(asked > own, axis=0) + 1
    num_tied = np.count_nonzero(asked == own, axis=0)
    # Every query repeats its first rank once for each tied entry, and counts up from there.
    ends = np.cumsum(num_tied)
    within = np.arange(ends[-1]) - np.repeat(ends - num_tied, num_tied)
    text_to_video = np.repeat(first_rank, num_tied) + within

    # Video to text: of tied entries the earlier one stands first.
    shown = scores[:, text_of_entry]
    own = shown[np.arange(len(shown)), entry_of_video][:, None]
    is_earlier = np.arange(num_entries) < entry_of_video[:, None]
    stands_before = (shown > own) | ((shown == own) & is_earlier)
    video_to_text = np.count_nonzero(stands_before, axis=1) + 1
    return {"text_to_video": text_to_video, "video_to_text": video_to_text}
