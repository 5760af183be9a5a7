"""Scores of one query with the entries of a block, from their similarities.

Equation 15 as in :mod:`train.evaluation.scoring`, for entries of different numbers of tokens that
lie one after the other: a sum over an entry's tokens is one over a run of columns, and no token is
padded. Symbols: s_ij the cosine of token i and word j, tau the temperature, e_ij = exp(s_ij / tau).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, Shaped

from search.engine.ragged_tokens import QueryTokens, RaggedTokens, token_places
from train.settings import SimilaritySettings

SMALLEST_TEMPERATURE = 1 / 64
"""Below, float32 might not hold e_ij, and each softmax takes off its largest value first."""

TEMPERATURES = (1e-30, 1e30)
"""Beyond, a softmax is that of the limit in float64 too; float32 holds these."""

UNIT = 2.0**-24
"""Largest relative error of a rounding to float32."""

LONGEST = 1.001
"""Length of a token, at most: of unit length before it was rounded to float16."""


@dataclass(frozen=True)
class Query:
    """What is looked for, without what the softmax does not see."""

    words: Float32[np.ndarray, "word dim"]
    is_real: Bool[np.ndarray, " word"]
    """With padding ``masked``, all true."""
    similarity: SimilaritySettings

    @classmethod
    def of(cls, query: QueryTokens, similarity: SimilaritySettings) -> "Query":
        """Raises ``ValueError`` for a query without a real word, and for one that is not finite."""
        words, is_real = query.tokens.float().numpy(), query.is_real.numpy()
        if not is_real.any() or not np.isfinite(words).all():
            raise ValueError("a query needs real words, and their numbers have to be finite")
        if similarity.padding == "masked":
            words, is_real = words[is_real], is_real[is_real]
        return cls(np.ascontiguousarray(words), is_real, similarity)

    @property
    def temperature(self) -> float:
        """Of the softmax, within :data:`TEMPERATURES`."""
        least, most = TEMPERATURES
        return min(max(self.similarity.temperature, least), most)


@dataclass(frozen=True)
class Block:
    """Some entries, and where the tokens that count for them lie, one after the other."""

    entries: Int64[np.ndarray, " entry"]
    places: slice | Int64[np.ndarray, " token"]
    starts: Int64[np.ndarray, " entry"]
    """Where an entry's tokens begin among ``places``."""
    num_real: Int64[np.ndarray, " entry"]
    is_real: Bool[np.ndarray, " token"] | None
    """``None`` where all of them are."""


def blocks(
    rows: RaggedTokens,
    entries: Int64[np.ndarray, " entry"],
    similarity: SimilaritySettings,
    num_tokens: int,
) -> Iterator[Block]:
    """Cuts entries into blocks of about so many tokens, at least one entry each.

    Padding belongs to a block where the softmax sees it. Every entry has a real token.
    """
    counted = rows.num_real if similarity.padding == "masked" else rows.num_tokens
    lengths = counted[entries].astype(np.int64)
    ends = np.cumsum(lengths)
    start = 0
    while start < len(entries):
        before = ends[start] - lengths[start]
        stop = max(int(np.searchsorted(ends, before + num_tokens, side="right")), start + 1)
        chosen, own = entries[start:stop], lengths[start:stop]
        num_real = rows.num_real[chosen].astype(np.int64)
        starts = ends[start:stop] - own - before
        is_real = None
        if (num_real != own).any():
            is_real = np.arange(own.sum()) - np.repeat(starts, own) < np.repeat(num_real, own)
        first = rows.first[chosen]
        # Entries that follow each other, as most do, are one run of the file.
        is_run = bool((first[1:] == first[:-1] + own[:-1]).all())
        run = slice(int(first[0]), int(first[-1] + own[-1]))
        places = run if is_run else token_places(first, own)
        yield Block(chosen, places, starts, num_real, is_real)
        start = stop


def read(values: Shaped[np.ndarray, "_ ..."], block: Block) -> Shaped[np.ndarray, "token ..."]:
    """The block's rows of an array; where they are one run, the array's own memory."""
    if isinstance(block.places, slice):
        return values[block.places]
    return np.take(values, block.places, axis=0)


class Similarities:
    """Products of some words with the rows of an array, block after block, in float32.

    Arrays ``beside`` it are further columns of it. The memory that a block needs is used again for
    the next one; so one thread uses it at a time.
    """

    def __init__(
        self,
        words: Float32[np.ndarray, "word _"],
        values: Shaped[np.ndarray, "token _dim"],
        *beside: Shaped[np.ndarray, " token"],
    ) -> None:
        self._words, self._values, self._beside = torch.from_numpy(words), values, beside
        self._stored = np.empty((0, values.shape[1]), values.dtype)
        self._wide = torch.empty(0)

    def of(self, block: Block) -> Float32[np.ndarray, "word token"]:
        """Reads the block's rows and multiplies them."""
        rows = read(self._values, block)
        dim = rows.shape[1]
        if len(rows) > len(self._stored):
            self._stored = np.empty(rows.shape, rows.dtype)
            self._wide = torch.empty(len(rows), dim + len(self._beside))
        # torch takes no memory that cannot be written to, and converts much faster than numpy.
        stored, wide = self._stored[: len(rows)], self._wide[: len(rows)]
        np.copyto(stored, rows)
        wide[:, :dim].copy_(torch.from_numpy(stored))
        for column, values in enumerate(self._beside, dim):
            wide.numpy()[:, column] = read(values, block)
        return (self._words @ wide.T).numpy()


def block_scores(
    similarities: Float[np.ndarray, "word token"], block: Block, query: Query
) -> Float[np.ndarray, " entry"]:
    """Scores of the block's entries, in the precision of the similarities."""
    tau = query.temperature
    if tau >= SMALLEST_TEMPERATURE and similarities.dtype == np.float32:
        # Both directions weigh by the same e.
        weights = np.exp(similarities / np.float32(tau))
        weighted = similarities * weights
        of_tokens = weighted.sum(axis=0) / weights.sum(axis=0)
        of_words = _sums(weighted, block) / _sums(weights, block)
    else:
        of_tokens = _stable_mean(similarities, tau, similarities.max(axis=0))
        largest = np.maximum.reduceat(similarities, block.starts, axis=1)
        lengths = np.diff(block.starts, append=similarities.shape[1])
        weights = _stable_weights(similarities, tau, np.repeat(largest, lengths, axis=1))
        of_words = _sums(similarities * weights, block) / _sums(weights, block)
    return mean_of_both(of_tokens, of_words, block, query)


def mean_of_both(
    of_tokens: Float[np.ndarray, " token"],
    of_words: Float[np.ndarray, "word entry"],
    block: Block,
    query: Query,
) -> Float[np.ndarray, " entry"]:
    """Half the mean over an entry's real tokens and half the mean over the real words."""
    if block.is_real is not None:
        of_tokens = of_tokens * block.is_real
    to_text = np.add.reduceat(of_tokens, block.starts) / block.num_real.astype(of_tokens.dtype)
    return 0.5 * (to_text + of_words[query.is_real].mean(axis=0))


def pair_score(rows: RaggedTokens, entry: int, query: Query) -> float:
    """The score of one entry in float64: what hits are ranked by and what they are told to have.

    It is computed alone, so that it depends on nothing else, and without BLAS, whose sums depend
    on how many threads happen to be free.
    """
    block = next(blocks(rows, np.array([entry]), query.similarity, 1))
    tokens = read(rows.tokens, block).astype(np.float64)
    similarities = np.einsum("wd,td->wt", query.words.astype(np.float64), tokens)
    return float(block_scores(similarities, block, query)[0])


def score_error(dim: int, longest: int, query: Query) -> float:
    """How far :func:`block_scores` in float32 may be from :func:`pair_score`, at most.

    ``longest`` is the largest number of an entry's tokens. With u the unit of rounding, N the
    number of values in a sum, and all sums in any order:

    - s_ij is off by at most (dim + 2) u. A softmax-weighted mean f of N values moves by at most
      (1 + 2 ln N) times as much: df/ds_j = p_j (1 + (s_j - f) / tau), and the mean of
      (max s - s_j) / tau is the entropy of p less the logarithm of the sum of exp((s - max s) /
      tau), so at most ln N, and f is as far from the largest at most.
    - e_ij is off by (2 |s_ij| / tau + 6) u of itself (tau is rounded, the quotient is, and numpy's
      exp errs by 5 u), which moves f by no more than twice that. With the largest taken off,
      |s_ij| / tau becomes the distance to it, whose mean is ln N again, and one rounding is added.
    - Two sums of N terms and their quotient, then a mean of up to N values: 3 (N + 3) u.
    """
    terms = max(longest, len(query.words))
    spread = 1 + 2 * math.log(terms)
    is_stable = query.temperature < SMALLEST_TEMPERATURE
    exponent = 3 * math.log(terms) if is_stable else 2 / query.temperature
    total = (dim + 2) * spread + 2 * (exponent + 6) + 3 * (terms + 3)
    # A tenth more for tokens a little longer than 1 and for products of roundings.
    return 1.1 * LONGEST**2 * UNIT * total


def _sums(values: Float[np.ndarray, "word token"], block: Block) -> Float[np.ndarray, "word entry"]:
    return np.add.reduceat(values, block.starts, axis=1)


def _stable_weights(
    similarities: Float[np.ndarray, "word token"], tau: float, largest: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "word token"]:
    return np.exp((similarities - largest) / similarities.dtype.type(tau))


def _stable_mean(
    similarities: Float[np.ndarray, "word token"],
    tau: float,
    largest: Float[np.ndarray, " token"],
) -> Float[np.ndarray, " token"]:
    weights = _stable_weights(similarities, tau, largest)
    return (similarities * weights).sum(axis=0) / weights.sum(axis=0)
