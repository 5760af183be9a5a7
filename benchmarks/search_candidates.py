"""Measures ways to choose candidates: recall of the exact ten best against time and memory.

    python benchmarks/search_candidates.py RUN WORK --entries 10000 --queries 60

RUN and WORK as in ``search_tokens.py``. Each way gives every entry a value, or only those that it
meets; "recall at" is the share of the exact ten best among the so many percent of the entries with
the largest values. Time is that of the processor, a query at a time, on one core; the choice of the
largest is part of it. faiss-cpu has to be installed.
"""

import argparse
import time
from collections.abc import Callable

import faiss
import numpy as np
import torch
from jaxtyping import Float32
from measurement import print_conditions
from search_exact import HITS, query_of, searched_of, turned
from search_tokens import add_options, corpus_of, describe

from search.engine.candidates import by_compressed, code_values
from search.engine.exact import Searched, exhaustive
from search.engine.ragged_tokens import RaggedTokens
from search.engine.scores import Query, blocks

SHARES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Of the entries, how many are taken as candidates."""

PROBED = 32
"""Lists of an inverted file that a query looks at."""

NEAREST = 2000
"""Tokens that token-level search finds for a word."""

BUCKET_BITS, REPEATS, PROJECTED = 4, 8, 16
"""Of a fixed dimensional encoding: 16 buckets, 8 times, of 16 dimensions: 2,048 numbers."""

Way = Callable[[Query], Float32[np.ndarray, " entry"]]


def main() -> None:
    """Prints a row a way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser, entries=10_000)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    print_conditions(vars(options))
    corpus = corpus_of(options)
    describe(corpus)
    turn = turned(corpus.rows.tokens.shape[1], None)
    searched = searched_of(corpus, 64, turn)
    entries = np.arange(len(corpus.rows))
    queries = [query_of(corpus, number, turn) for number in range(len(corpus.queries.words))]
    truth = [exhaustive(searched, query, entries, HITS)[0] for query in queries]

    titles = " | ".join(f"recall at {share:.1%}" for share in SHARES)
    print(f"| way | ms | bytes an entry | {titles} |\n|---|---|---|{'---|' * len(SHARES)}")
    for name, (way, size) in ways(searched).items():
        ranks, milliseconds = [], []
        for query, best in zip(queries, truth, strict=True):
            before = time.process_time()
            values = way(query)
            np.argpartition(-values, HITS)
            milliseconds.append(1000 * (time.process_time() - before))
            place = np.empty(len(entries), np.int64)
            place[np.argsort(-values, kind="stable")] = entries
            ranks.append(place[best])
        shares = [f"{(np.array(ranks) < share * len(entries)).mean():.3f}" for share in SHARES]
        row = f"| {name} | {np.median(milliseconds):.2f} | {size:,.0f} |"
        print(row, " | ".join(shares), "|", flush=True)


def ways(searched: Searched) -> dict[str, tuple[Way, float]]:
    """Name -> values of all entries for a query, and bytes an entry that it reads."""
    rows = searched.rows
    num_tokens = float(rows.num_tokens.mean())
    # All the tokens of this benchmark are real.
    pooled = np.stack(
        [rows.of(entry).astype(np.float32).mean(axis=0) for entry in range(len(rows))]
    )
    return {
        **pooled_ways(pooled),
        "token-level IVF": (token_way(rows), num_tokens * (rows.tokens.shape[1] + 8)),
        "fixed dimensional encoding": (
            encoding_way(rows),
            float((1 << BUCKET_BITS) * REPEATS * PROJECTED),
        ),
        "codes (ours)": (code_way(searched), num_tokens),
        "compressed tokens": (compressed_way(searched), num_tokens * 64),
    }


def pooled_ways(pooled: Float32[np.ndarray, "entry dim"]) -> dict[str, tuple[Way, float]]:
    """Cosine of an entry's and a query's mean token: flat, in 8 bits, and in an inverted file."""
    dim = pooled.shape[1]
    unit = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    # Rows that hold no more than a list of the inverted file is worth.
    lists = max(1, int(np.sqrt(len(unit))))
    kinds = {
        "pooled, flat": ("Flat", 4 * dim),
        "pooled, 8 bits": ("SQ8", dim),
        f"pooled, IVF of {lists} lists in 8 bits": (f"IVF{lists},SQ8", dim + 8),
    }
    found: dict[str, tuple[Way, float]] = {}
    for name, (recipe, size) in kinds.items():
        index = faiss.index_factory(dim, recipe, faiss.METRIC_INNER_PRODUCT)
        index.train(unit)
        index.add(unit)
        if recipe.startswith("IVF"):
            index.nprobe = PROBED

        def way(query: Query, index: faiss.Index = index) -> Float32[np.ndarray, " entry"]:
            values, entries = index.search(query.words.mean(axis=0)[None], len(unit) // 10)
            return _scattered(entries[0], values[0], len(unit))

        found[name] = way, float(size)
    return found


def token_way(rows: RaggedTokens) -> Way:
    """Sum over words of the best found token of an entry, as engines for MaxSim choose."""
    tokens = np.asarray(rows.tokens).astype(np.float32)
    lists = 1024
    index = faiss.index_factory(tokens.shape[1], f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.train(tokens[:: max(1, len(tokens) // (64 * lists))])
    index.add(tokens)
    index.nprobe = PROBED
    entry_of = np.repeat(np.arange(len(rows)), rows.num_tokens)

    def way(query: Query) -> Float32[np.ndarray, " entry"]:
        similarities, found = index.search(query.words, NEAREST)
        total = np.zeros(len(rows), np.float32)
        for values, places in zip(similarities, found, strict=True):
            of_word = np.full(len(rows), values.min(), np.float32)
            np.maximum.at(of_word, entry_of[places], values)
            total += of_word
        return total

    return way


def encoding_way(rows: RaggedTokens) -> Way:
    """Fixed dimensional encodings as in MUVERA, of both halves: an entry's means and sums."""
    rng = np.random.default_rng(0)
    dim = rows.tokens.shape[1]
    planes = rng.normal(size=(REPEATS, dim, BUCKET_BITS)).astype(np.float32)
    signs = rng.choice([-1, 1], size=(REPEATS, dim, PROJECTED)).astype(np.float32)
    signs /= np.sqrt(PROJECTED)

    def encoded(tokens: Float32[np.ndarray, "_ dim"], *, is_mean: bool) -> np.ndarray:
        parts = []
        for plane, sign in zip(planes, signs, strict=True):
            bucket = ((tokens @ plane) > 0) @ (1 << np.arange(BUCKET_BITS))
            sums = np.zeros((1 << BUCKET_BITS, PROJECTED), np.float32)
            np.add.at(sums, bucket, tokens @ sign)
            counts = np.bincount(bucket, minlength=len(sums))[:, None]
            parts.append(sums / np.maximum(counts, 1) if is_mean else sums / len(tokens))
        return np.concatenate(parts).ravel()

    # A half each: words look for their buckets' mean tokens, tokens for their buckets' mean words.
    both = [
        np.stack([encoded(rows.of(e).astype(np.float32), is_mean=m) for e in range(len(rows))])
        for m in (True, False)
    ]

    def way(query: Query) -> Float32[np.ndarray, " entry"]:
        values = both[0] @ encoded(query.words, is_mean=False)
        return values + both[1] @ encoded(query.words, is_mean=True)

    return way


def code_way(searched: Searched) -> Way:
    """The half over tokens, each taken for its point of the codebook."""
    rows, codes = searched.rows, searched.compressed.code

    def way(query: Query) -> Float32[np.ndarray, " entry"]:
        table = code_values(searched, query)
        found = [
            np.add.reduceat(np.take(table, codes[block.places]), block.starts) / block.num_real
            for block in blocks(rows, np.arange(len(rows)), query.similarity, 2**17)
        ]
        return np.concatenate(found).astype(np.float32)

    return way


def compressed_way(searched: Searched) -> Way:
    """The whole score from compressed tokens: the second step of the engine, of all entries."""
    entries = np.arange(len(searched.rows))

    def way(query: Query) -> Float32[np.ndarray, " entry"]:
        # The largest few suffice for the shares that are shown.
        number = int(SHARES[0] * len(entries))
        chosen = by_compressed(searched, query, entries, number)
        return _scattered(chosen, np.ones(len(chosen), np.float32), len(entries))

    return way


def _scattered(
    entries: np.ndarray, values: Float32[np.ndarray, " _"], number: int
) -> Float32[np.ndarray, " entry"]:
    """Values of all entries, least for those that were not met."""
    found = np.full(number, -2, np.float32)
    is_met = entries >= 0
    found[entries[is_met]] = values[is_met]
    return found


if __name__ == "__main__":
    main()
