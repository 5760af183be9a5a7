"""Measures an exact search with bounds against scoring every entry, and compares each answer.

    python benchmarks/search_exact.py RUN WORK --entries 10000 --queries 1000 --noise 0

RUN and WORK as in ``search_tokens.py``. Every query is answered by both ways in turn, the first of
them alternating; ids and scores have to be the same to the last bit. ``--dim 512`` turns all tokens
into a space of more dimensions, where their similarities are what they are and their products take
longer.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32
from measurement import print_conditions
from search_tokens import Corpus, add_options, corpus_of, describe

from search.engine.candidates import by_codes, by_compressed
from search.engine.compression import Projection, compress
from search.engine.exact import Searched, exhaustive, pruned, upper_bounds
from search.engine.ragged_tokens import QueryTokens, RaggedTokens
from search.engine.scores import Query

HITS = 10


def main() -> None:
    """Prints how often the answers are the same, and the factor."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser, entries=10_000)
    parser.add_argument("--coarse-dim", type=int, default=64)
    parser.add_argument("--dim", type=int, help="dimensions to turn the tokens into")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))
    corpus = corpus_of(options)
    describe(corpus)
    turn = turned(corpus.rows.tokens.shape[1], options.dim)
    searched = searched_of(corpus, options.coarse_dim, turn)
    entries = np.arange(len(corpus.rows))

    seconds, computed = np.zeros((2, 2, len(corpus.queries.words)))
    left = []
    for number in range(len(corpus.queries.words)):
        query = query_of(corpus, number, turn)
        ways: list[Callable[[], tuple[np.ndarray, np.ndarray]]] = [
            lambda query=query: exhaustive(searched, query, entries, HITS),  # type: ignore[misc]
            lambda query=query: with_bounds(searched, query, entries),  # type: ignore[misc]
        ]
        answers = {}
        for way in (0, 1) if number % 2 else (1, 0):
            start, before = time.perf_counter(), time.process_time()
            answers[way] = ways[way]()
            seconds[way, number] = time.perf_counter() - start
            computed[way, number] = time.process_time() - before
        for right, ours in zip(answers[0], answers[1], strict=True):
            if not np.array_equal(right, ours):
                raise SystemExit(f"query {number}: {right} is not {ours}")
        if number % 20 == 0:
            bounds = upper_bounds(searched, query, entries)
            left.append(float((bounds >= answers[0][1][-1]).mean()))
    print(f"{len(seconds[0]):,} queries: the same ids and scores every time")
    print(f"bounds leave {np.mean(left):.1%} of the entries to be scored")
    for name, values in (("wall", seconds), ("processor", computed)):
        every, ours = np.median(values, axis=1) * 1000
        factor = np.median(values[0] / values[1])
        print(f"{name}: {every:.1f} ms for every entry, {ours:.1f} ms with bounds: {factor:.2f}x")


def turned(dim: int, wanted: int | None) -> Float32[np.ndarray, "dim _"]:
    """Orthonormal rows that turn tokens into as many dimensions as wanted."""
    if wanted is None or wanted == dim:
        return np.eye(dim, dtype=np.float32)
    random = np.random.default_rng(0).normal(size=(wanted, dim))
    return np.linalg.qr(random).Q.T.astype(np.float32)


def searched_of(corpus: Corpus, coarse_dim: int, turn: Float32[np.ndarray, "dim _"]) -> Searched:
    """Turns and compresses the corpus."""
    rows = corpus.rows
    if turn.shape[0] != turn.shape[1]:
        tokens = np.concatenate(
            [
                (rows.tokens[first : first + 8192].astype(np.float32) @ turn).astype(np.float16)
                for first in range(0, len(rows.tokens), 8192)
            ]
        )
        rows = RaggedTokens(tokens, rows.first, rows.num_tokens, rows.num_real)
    sample = rows.tokens[:: -(-len(rows.tokens) // 20_000)]
    words = corpus.queries.words[corpus.queries.word_is_real].numpy() @ turn
    # Half of the queries' words are not seen by what is fitted.
    projection = Projection.fit(sample, words[::2].astype(np.float16), coarse_dim=coarse_dim)
    longest = int(rows.num_tokens.max())
    return Searched(rows, compress(rows, projection), projection, longest)


def query_of(corpus: Corpus, number: int, turn: Float32[np.ndarray, "dim _"]) -> Query:
    """One query, turned as the entries are."""
    query = corpus.query(number)
    words = query.tokens.numpy()
    if turn.shape[0] != turn.shape[1]:
        words = words @ turn
    return Query.of(QueryTokens(torch.from_numpy(words), query.is_real), corpus.similarity)


def with_bounds(
    searched: Searched, query: Query, entries: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What the engine does for an exact search, the choice of likely entries included."""
    likely = by_codes(searched, query, entries, max(2000, len(entries) * 3 // 100))
    likely = by_compressed(searched, query, likely, 64)
    return pruned(searched, query, entries, HITS, likely=likely)


if __name__ == "__main__":
    main()
