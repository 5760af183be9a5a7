"""Measures how far upper bounds of the score lie above it, and how many entries they leave.

    python benchmarks/search_bound.py RUN WORK --entries 3000 --queries 50 --noise 0

RUN and WORK as in ``search_tokens.py``. The first table is of the run's own videos and sentences,
the second of the long entries in WORK. A row is a bound: half the means of the largest similarities
themselves (``tokens``), the same from compressed tokens of so many dimensions, and the nearer of
that and of a bound that knows the softmax (``and softmax``): where every similarity is within eps,
the weighted mean f of centres c is at most eps + max c - exp(-2 eps / tau) (max c - f(c)).

"above" is the mean distance from the score; "left" the share of the entries whose bound reaches the
score of the tenth best, which have to be scored.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32
from measurement import print_conditions
from search_exact import HITS
from search_tokens import add_options, corpus_of, describe, real_tokens

from search.engine.compression import Projection, compress
from search.engine.exact import Searched, all_scores, upper_bounds
from search.engine.ragged_tokens import QueryTokens, RaggedTokens
from search.engine.scores import Query, blocks, mean_of_both
from train.evaluation.load_model import load_run_model
from train.evaluation.scoring import encode_sentences
from train.text.text_encoder import build_tokenizer

DIMS = (16, 32, 64, 128)
CPU = torch.device("cpu")


def main() -> None:
    """Prints a table for the run's own videos, and one for the long entries."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser, entries=3000)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))

    loaded = load_run_model(options.run / "best.pt", CPU)
    real = real_tokens(loaded)
    lengths = (1 + real.num_clips).astype(np.int32)
    first = np.cumsum(lengths, dtype=np.int64) - lengths
    tokens = np.empty((int(lengths.sum()), real.clips.shape[1]), np.float16)
    tokens[first] = real.class_tokens
    tokens[np.setdiff1d(np.arange(len(tokens)), first)] = real.clips
    rows = RaggedTokens(tokens, first, lengths, lengths)
    tokenizer = build_tokenizer(loaded.text)
    texts = sorted(set(real.texts))
    words = encode_sentences(loaded.model, tokenizer, texts, 50, device=CPU)
    asked = zip(words.words, words.word_is_real, strict=True)
    similarity = loaded.settings.similarity
    queries = [
        Query.of(QueryTokens(tokens[is_real], is_real[is_real]), similarity)
        for tokens, is_real in asked
    ]
    print(f"{len(rows)} videos of {lengths.mean():.1f} tokens, {len(queries)} sentences\n")
    table(rows, queries)

    corpus = corpus_of(options)
    describe(corpus)
    numbers = range(len(corpus.queries.words))
    table(corpus.rows, [Query.of(corpus.query(n), similarity) for n in numbers])


def table(rows: RaggedTokens, queries: Sequence[Query]) -> None:
    """Prints a row a bound."""
    words = np.concatenate([query.words for query in queries]).astype(np.float16)
    entries = np.arange(len(rows))
    print("| bound | above the score | left | least possible |\n|---|---|---|---|")
    found: dict[str, list[tuple[float, float]]] = {}
    for dim in DIMS:
        # Half of the queries' words are not seen by what is fitted.
        sample = rows.tokens[:: -(-len(rows.tokens) // 20_000)]
        projection = Projection.fit(sample, words[::2], coarse_dim=dim)
        compressed = compress(rows, projection)
        searched = Searched(rows, compressed, projection, int(rows.num_tokens.max()))
        for query in queries:
            scores = all_scores(searched, query, entries)
            tenth = np.sort(scores)[-HITS]
            bounds = upper_bounds(searched, query, entries)
            kinds = {f"{dim} dimensions": bounds}
            kinds[f"{dim} and softmax"] = np.minimum(bounds, softmax_bounds(searched, query))
            if dim == DIMS[0]:
                kinds["tokens"] = token_bounds(rows, query)
            for kind, values in kinds.items():
                gap, left = float((values - scores).mean()), float((values >= tenth).mean())
                found.setdefault(kind, []).append((gap, left))
    for kind, values in sorted(found.items(), key=lambda item: -np.mean(item[1])):
        gap, left = np.mean(values, axis=0)
        print(f"| {kind} | {gap:.3f} | {left:.1%} | {HITS / len(rows):.1%} |")
    print()


def token_bounds(rows: RaggedTokens, query: Query) -> Float32[np.ndarray, " entry"]:
    """Half the means of the largest similarities of words and tokens."""
    found = []
    for block in blocks(rows, np.arange(len(rows)), query.similarity, 8192):
        values = query.words @ rows.tokens[block.places].astype(np.float32).T
        largest = np.maximum.reduceat(values, block.starts, axis=1)
        found.append(mean_of_both(values.max(axis=0), largest, block, query))
    return np.concatenate(found)


def softmax_bounds(searched: Searched, query: Query) -> Float32[np.ndarray, " entry"]:
    """Bounds that know how far the softmax-weighted mean is from the largest value."""
    projection, compressed = searched.projection, searched.compressed
    words = query.words.astype(np.float64)
    coordinates = projection.coordinates(words)
    kept, lost = np.linalg.norm(coordinates, axis=1), projection.lost(words, coordinates)
    tau, found = query.temperature, []
    for block in blocks(searched.rows, np.arange(len(searched.rows)), query.similarity, 8192):
        coarse = compressed.coarse[block.places] * projection.step
        centres = (coordinates @ coarse.T).astype(np.float32)
        eps = np.outer(kept, compressed.rounding[block.places].astype(np.float64))
        eps += np.outer(lost, compressed.residual[block.places].astype(np.float64))
        weights = np.exp(centres / np.float32(tau))
        weighted = centres * weights

        far = eps.max(axis=0)
        share = np.exp(-2 * far / tau)
        of_tokens = far + (1 - share) * centres.max(axis=0)
        of_tokens += share * weighted.sum(axis=0) / weights.sum(axis=0)

        far = np.maximum.reduceat(eps, block.starts, axis=1)
        share = np.exp(-2 * far / tau)
        mean = np.add.reduceat(weighted, block.starts, axis=1)
        mean /= np.add.reduceat(weights, block.starts, axis=1)
        of_words = far + (1 - share) * np.maximum.reduceat(centres, block.starts, axis=1)
        of_words += share * mean
        bounds = mean_of_both(of_tokens, of_words, block, query).astype(np.float32)
        found.append(bounds)
    return np.concatenate(found)


if __name__ == "__main__":
    main()
