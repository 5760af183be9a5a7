"""The best entries of all, certainly: by scoring each, or by leaving out what cannot be among them.

A softmax-weighted mean is at most the largest of its values, whatever the temperature. So half the
mean over tokens of the best word plus half the mean over words of the best token bounds the score
from above, and it still does where every similarity is replaced by a bound of its own
(:mod:`search.engine.compression`), for which the tokens need not be read.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from search.engine.compression import ORTHONORMAL, CompressedTokens, Projection
from search.engine.ragged_tokens import RaggedTokens
from search.engine.scores import (
    LONGEST,
    UNIT,
    Block,
    Query,
    Similarities,
    block_scores,
    blocks,
    mean_of_both,
    pair_score,
    score_error,
)

BLOCK_TOKENS = 4096
"""Tokens of a block: few enough that the cache holds what is made of them."""

STRIPE = 4096
"""Entries that are bounded before those that are left of them are scored."""

WORTHWHILE = 0.6
"""Of a stripe, the share that bounds may leave before the next stripes are scored without them."""


@dataclass(frozen=True)
class Rescaling:
    """Affine maps, one an entry, of scores to what entries are ranked by; all slopes above zero."""

    slope: Float64[np.ndarray, " entry"]
    offset: Float64[np.ndarray, " entry"]


@dataclass(frozen=True)
class Searched:
    """What an engine looks at: one version of an index's tokens."""

    rows: RaggedTokens
    compressed: CompressedTokens
    projection: Projection
    longest: int
    """Largest number of an entry's tokens."""
    rescaling: Rescaling | None = None

    def ranked_by(
        self, scores: Float[np.ndarray, " entry"], entries: Int64[np.ndarray, " entry"]
    ) -> Float64[np.ndarray, " entry"]:
        """Returns what some entries of these scores are ranked by.

        It grows with an entry's score, and so a bound of one gives a bound of the other.
        """
        values = scores.astype(np.float64)
        if self.rescaling is None:
            return values
        return self.rescaling.slope[entries] * values + self.rescaling.offset[entries]


def all_scores(
    searched: Searched, query: Query, entries: Int64[np.ndarray, " entry"]
) -> Float32[np.ndarray, " entry"]:
    """Scores of some entries in float32, off by at most ``score_error``."""
    products = Similarities(query.words, searched.rows.tokens)
    scores = [
        block_scores(products.of(block), block, query)
        for block in blocks(searched.rows, entries, query.similarity, BLOCK_TOKENS)
    ]
    return np.concatenate([np.empty(0, np.float32), *scores])


def exhaustive(
    searched: Searched, query: Query, entries: Int64[np.ndarray, " entry"], k: int
) -> tuple[Int64[np.ndarray, " hit"], Float64[np.ndarray, " hit"]]:
    """The best k of some entries, and their scores, by scoring each."""
    return best(searched, query, entries, all_scores(searched, query, entries), k)


def best(
    searched: Searched,
    query: Query,
    entries: Int64[np.ndarray, " entry"],
    scores: Float32[np.ndarray, " entry"],
    k: int,
) -> tuple[Int64[np.ndarray, " hit"], Float64[np.ndarray, " hit"]]:
    """The best k of entries whose scores are known in float32; equal ones in their order.

    Best is what :meth:`Searched.ranked_by` says; what is returned are the scores themselves.

    Those that might be among the best, for all that the float32 scores tell, are scored once more,
    each alone and in float64.
    """
    k = min(k, len(entries))
    if k == 0:
        return np.empty(0, np.int64), np.empty(0)
    error = score_error(query.words.shape[1], searched.longest, query)
    known = scores.astype(np.float64)
    # At least k entries are ranked this high, whatever their errors: the k-th best is no lower.
    kth = _kth(searched.ranked_by(known - error, entries), k)
    chosen = np.sort(entries[searched.ranked_by(known + error, entries) >= kth])
    found = np.array([pair_score(searched.rows, int(entry), query) for entry in chosen])
    order = np.argsort(-searched.ranked_by(found, chosen), kind="stable")[:k]
    return chosen[order], found[order]


def _kth(values: Float64[np.ndarray, " entry"], k: int) -> float:
    return float(np.partition(values, len(values) - k)[len(values) - k])


def pruned(
    searched: Searched,
    query: Query,
    entries: Int64[np.ndarray, " entry"],
    k: int,
    *,
    likely: Int64[np.ndarray, " candidate"],
) -> tuple[Int64[np.ndarray, " hit"], Float64[np.ndarray, " hit"]]:
    """Precisely what :func:`exhaustive` returns, without scoring what cannot be among the best.

    ``likely`` are some of the entries, at least k where there are as many; the better they are, the
    more is left out.
    """
    error = score_error(query.words.shape[1], searched.longest, query)
    scored, scores = likely, all_scores(searched, query, likely)
    # Bounds that leave out little cost more than they save: then the rest is scored as it is.
    is_worth_it = True
    for first in range(0, len(entries), STRIPE):
        part = entries[first : first + STRIPE]
        if is_worth_it:
            # At least k entries score this much: what cannot reach it is not among the best.
            floor = _kth(searched.ranked_by(scores.astype(np.float64) - error, scored), k)
            bounds = searched.ranked_by(upper_bounds(searched, query, part), part)
            reaching = part[bounds >= floor]
            is_worth_it = len(reaching) < WORTHWHILE * len(part)
            part = reaching
        part = np.setdiff1d(part, likely, assume_unique=True)
        scored = np.concatenate([scored, part])
        scores = np.concatenate([scores, all_scores(searched, query, part)])
    return best(searched, query, scored, scores, k)


def upper_bounds(
    searched: Searched, query: Query, entries: Int64[np.ndarray, " entry"]
) -> Float64[np.ndarray, " entry"]:
    """What the entries may score at most, from their compressed tokens alone."""
    projection = searched.projection
    words = query.words.astype(np.float64)
    coordinates = projection.coordinates(words)
    kept, lost = np.linalg.norm(coordinates, axis=1), projection.lost(words, coordinates)
    # One product gives <c, V^T y> + |V^T x - c| |V^T y| + |x'| |y'|.
    weights = np.column_stack([coordinates * projection.step, kept, lost]).astype(np.float32)
    compressed = searched.compressed
    products = Similarities(weights, compressed.coarse, compressed.rounding, compressed.residual)
    found = [
        _largest(products.of(block), block, query)
        for block in blocks(searched.rows, entries, query.similarity, BLOCK_TOKENS)
    ]
    bounds = np.concatenate([np.empty(0, np.float32), *found]).astype(np.float64)
    # Rounding to float32: of the weights, of sums of so many products, and of both means. All
    # products of a sum together are at most 3: |c| |V^T y| and two of lengths of at most 1.
    terms = weights.shape[1] + max(searched.longest, len(words)) + 8
    return bounds + 3.3 * LONGEST**2 * UNIT * terms + 1.1 * ORTHONORMAL


def _largest(
    similarities: Float32[np.ndarray, "word token"], block: Block, query: Query
) -> Float32[np.ndarray, " entry"]:
    of_words = np.maximum.reduceat(similarities, block.starts, axis=1)
    return mean_of_both(similarities.max(axis=0), of_words, block, query)
