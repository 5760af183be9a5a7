"""The entries that are probably best: first by the codes of tokens, then by compressed tokens.

The half of the score that runs over an entry's tokens orders entries nearly as the whole does, and
it is a mean over tokens. With each token taken for the point of the codebook that stands for it,
this half is a table of a value a point, looked up for every token. The other half, to which engines
for token-wise scores confine themselves, says much less.
"""

import numpy as np
from jaxtyping import Float, Float32, Int64

from search.engine.exact import BLOCK_TOKENS, Searched
from search.engine.scores import Query, Similarities, block_scores, blocks, read

CODE_TOKENS = 2**17
"""Tokens whose codes are looked up at once."""


def by_codes(
    searched: Searched, query: Query, entries: Int64[np.ndarray, " entry"], number: int
) -> Int64[np.ndarray, " candidate"]:
    """About the best of some entries by the codes of their tokens, in the order of the entries."""
    table = code_values(searched, query)
    # Where most entries are asked for, all are looked up: a file is read fastest in one run.
    is_most = 2 * len(entries) > len(searched.rows)
    looked_up = np.arange(len(searched.rows)) if is_most else entries
    found = []
    for block in blocks(searched.rows, looked_up, query.similarity, CODE_TOKENS):
        values = np.take(table, read(searched.compressed.code, block))
        if block.is_real is not None:
            values *= block.is_real
        found.append(np.add.reduceat(values, block.starts) / block.num_real)
    scores = np.concatenate(found)
    return _most(searched, entries, scores[entries] if is_most else scores, number)


def code_values(searched: Searched, query: Query) -> Float32[np.ndarray, " code"]:
    """Softmax-weighted similarity of every point of the codebook with the words."""
    projection = searched.projection
    words = projection.coordinates(query.words).astype(np.float32)
    similarities = words @ projection.codebook.T
    # Each point is an entry of one token here, whose half over tokens is asked for alone.
    scaled = (similarities - similarities.max(axis=0)) / np.float32(query.temperature)
    weights = np.exp(scaled)
    return (similarities * weights).sum(axis=0) / weights.sum(axis=0)


def by_compressed(
    searched: Searched, query: Query, entries: Int64[np.ndarray, " entry"], number: int
) -> Int64[np.ndarray, " candidate"]:
    """About the best of some entries by their compressed tokens, in the order of the entries."""
    projection = searched.projection
    weights = (projection.coordinates(query.words) * projection.step).astype(np.float32)
    products = Similarities(weights, searched.compressed.coarse)
    found = [
        block_scores(products.of(block), block, query)
        for block in blocks(searched.rows, entries, query.similarity, BLOCK_TOKENS)
    ]
    return _most(searched, entries, np.concatenate(found), number)


def _most(
    searched: Searched,
    entries: Int64[np.ndarray, " entry"],
    scores: Float[np.ndarray, " entry"],
    number: int,
) -> Int64[np.ndarray, " candidate"]:
    if number >= len(entries):
        return entries
    values = searched.ranked_by(scores, entries)
    return np.sort(entries[np.argpartition(-values, number - 1)[:number]])
