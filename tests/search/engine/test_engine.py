"""An engine returns the best entries: exactly, or from candidates, of those that may be found."""

from threading import Thread

import numpy as np
import pytest
import torch

from search.engine.compression import Projection, compress
from search.engine.engine import Engine
from search.engine.ragged_tokens import QueryTokens, RaggedTokens
from search.settings import SearchSettings
from train.model.fine_grained_similarity import retrieval_score
from train.settings import SimilaritySettings

DIM = 16
SPREAD = 0.75 ** np.arange(DIM)
"""Tokens of a trained model differ in some directions much more than in others."""
MASKED = SimilaritySettings(padding="masked")
FEW = SearchSettings(exhaustive_below=20, candidates=30, coarse_dim=8)


def entries(rng, lengths, num_real=None) -> RaggedTokens:
    """Entries whose tokens lie around a centre each, so that some are better than others."""
    lengths = np.array(lengths, np.int32)
    centres = np.repeat(rng.normal(size=(len(lengths), DIM)), lengths, axis=0)
    values = (centres + rng.normal(size=(lengths.sum(), DIM))) * SPREAD
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    first = np.cumsum(lengths, dtype=np.int64) - lengths
    real = lengths if num_real is None else np.array(num_real, np.int32)
    return RaggedTokens(values.astype(np.float16), first, lengths, real)


def sentence(rng, num_words=5) -> QueryTokens:
    values = (rng.normal(size=(1, DIM)) + rng.normal(size=(num_words, DIM))) * SPREAD
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    is_real = torch.ones(num_words, dtype=torch.bool)
    return QueryTokens(torch.from_numpy(values).float(), is_real)


def engine_of(rows, settings=FEW, similarity=MASKED, is_live=None) -> Engine:
    projection = Projection.fit(rows.tokens, coarse_dim=settings.coarse_dim)
    engine = Engine(similarity, settings, projection)
    live = np.ones(len(rows), bool) if is_live is None else is_live
    engine.update(rows, compress(rows, projection), live)
    return engine


def slow_scores(rows, query, similarity) -> np.ndarray:
    """Every entry by the model's own function, one at a time, in float64."""
    scores = []
    for entry in range(len(rows)):
        tokens = torch.from_numpy(rows.of(entry).astype(np.float64))[None]
        is_real = torch.arange(tokens.shape[1])[None] < int(rows.num_real[entry])
        score = retrieval_score(
            tokens, query.tokens.double()[None], is_real, query.is_real[None], similarity
        )
        scores.append(score.item())
    return np.array(scores)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("exact", [False, True])
def test_the_best_come_first_with_their_scores(rng, exact):
    rows = entries(rng, rng.integers(1, 9, 300))
    engine = engine_of(rows)
    found_of_best = 0
    for _ in range(10):
        query = sentence(rng)
        truth = slow_scores(rows, query, MASKED)
        order = np.argsort(-truth, kind="stable")[:7]
        found = engine.search(query, 7, exact=exact)
        assert found.num_searched == 300
        assert found.is_exact == exact
        np.testing.assert_allclose(found.scores, truth[found.entries], atol=1e-12)
        assert (np.diff(found.scores) <= 0).all()
        found_of_best += len(np.intersect1d(found.entries, order))
        if exact:
            np.testing.assert_array_equal(found.entries, order)
    assert found_of_best >= 69


def test_only_live_and_allowed_entries_are_found(rng):
    rows = entries(rng, [4] * 200)
    is_live = rng.random(200) < 0.8
    engine = engine_of(rows, is_live=is_live)
    query = sentence(rng)
    truth = slow_scores(rows, query, MASKED)
    for share in (0.02, 0.5, 1.0):
        allowed = rng.random(200) < share
        may = np.flatnonzero(is_live & allowed)
        order = may[np.argsort(-truth[may], kind="stable")]
        for exact in (False, True):
            found = engine.search(query, 5, allowed=allowed, exact=exact)
            assert found.num_searched == len(may)
            np.testing.assert_array_equal(found.entries, order[:5])
    nothing = engine.search(query, 5, allowed=np.zeros(200, bool))
    assert len(nothing.entries) == nothing.num_searched == 0


def test_few_entries_are_always_searched_exactly(rng):
    engine = engine_of(entries(rng, [3] * 40))
    allowed = np.arange(40) < 20
    assert engine.search(sentence(rng), 3, allowed=allowed).is_exact
    assert not engine.search(sentence(rng), 3).is_exact
    # As many hits as there are entries leave nothing to choose.
    everything = engine.search(sentence(rng), 100)
    assert everything.is_exact
    assert len(everything.entries) == 40


def test_padding_takes_part_where_the_model_says_so(rng):
    published = SimilaritySettings(padding="published")
    num_real = rng.integers(1, 7, 150)
    rows = entries(rng, [6] * 150, num_real)
    query = QueryTokens(sentence(rng, 8).tokens, torch.arange(8) < 5)
    engine = engine_of(rows, similarity=published)
    truth = slow_scores(rows, query, published)
    order = np.argsort(-truth, kind="stable")[:10]
    found = engine.search(query, 10, exact=True)
    np.testing.assert_array_equal(found.entries, order)
    np.testing.assert_allclose(found.scores, truth[order], atol=1e-12)
    assert len(np.intersect1d(engine.search(query, 10).entries, order)) >= 9
    # With masked padding the same tokens score otherwise.
    masked = engine_of(rows, similarity=MASKED).search(query, 10, exact=True)
    np.testing.assert_allclose(
        masked.scores, np.sort(slow_scores(rows, query, MASKED))[::-1][:10], atol=1e-12
    )


def test_equal_entries_keep_their_order(rng):
    one = entries(rng, [5, 4])
    tokens = np.concatenate([one.of(0), one.of(1)] * 60)
    lengths = np.array([5, 4] * 60, np.int32)
    first = np.cumsum(lengths, dtype=np.int64) - lengths
    rows = RaggedTokens(tokens, first, lengths, lengths)
    engine = engine_of(rows)
    query = QueryTokens(torch.from_numpy(one.of(1).astype(np.float32)), torch.ones(4).bool())
    for exact in (False, True):
        found = engine.search(query, 61, exact=exact)
        np.testing.assert_array_equal(found.entries[:60], np.arange(1, 120, 2))
        assert found.entries[60] == 0
        assert len(set(found.scores[:60])) == 1


def test_searches_go_on_while_another_version_comes(rng):
    rows = entries(rng, [4] * 400)
    projection = Projection.fit(rows.tokens, coarse_dim=8)
    engine = Engine(MASKED, FEW, projection)
    assert len(engine.search(sentence(rng), 3).entries) == 0
    # The files are longer than what a version counts, as they are while a writer appends.
    compressed = compress(rows, projection)
    queries = [sentence(rng) for _ in range(8)]

    def version(count):
        return RaggedTokens(
            rows.tokens, rows.first[:count], rows.num_tokens[:count], rows.num_real[:count]
        )

    def truth(count, query):
        alone = Engine(MASKED, FEW, projection)
        alone.update(version(count), compressed, np.ones(count, bool))
        return tuple(alone.search(query, 5, exact=True).entries.tolist())

    counts = (100, 250, 400)
    right = [{truth(count, query) for count in counts} for query in queries]
    wrong = []

    def ask():
        for turn in range(40):
            number = turn % len(queries)
            found = engine.search(queries[number], 5, exact=True)
            if tuple(found.entries.tolist()) not in right[number]:
                wrong.append(found)

    engine.update(version(100), compressed, np.ones(100, bool))
    threads = [Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        count = counts[turn % 3]
        engine.update(version(count), compressed, np.ones(count, bool))
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_has_no_score_is_refused(rng):
    engine = engine_of(entries(rng, [2] * 5))
    without = QueryTokens(sentence(rng).tokens, torch.zeros(5).bool())
    with pytest.raises(ValueError, match="real words"):
        engine.search(without, 3)
    broken = QueryTokens(torch.full((2, DIM), torch.nan), torch.ones(2).bool())
    with pytest.raises(ValueError, match="finite"):
        engine.search(broken, 3)
    rows = entries(rng, [2, 2], [2, 0])
    projection = Projection.fit(rows.tokens, coarse_dim=4)
    with pytest.raises(ValueError, match="real token"):
        Engine(MASKED, FEW, projection).update(rows, compress(rows, projection), np.ones(2, bool))
