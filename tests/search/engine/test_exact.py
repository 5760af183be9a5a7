"""Exact search returns, bit for bit, what scoring every entry does: near-ties, padding, any tau."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from search.engine.compression import Projection, compress
from search.engine.exact import Rescaling, Searched, all_scores, exhaustive, pruned, upper_bounds
from search.engine.ragged_tokens import QueryTokens, RaggedTokens
from search.engine.scores import Query, pair_score, score_error
from train.model.fine_grained_similarity import retrieval_score
from train.settings import SimilaritySettings

DIM = 16
TEMPERATURES = (1e-300, 1 / 64 - 1e-9, 1 / 64, 0.07, 1e3, 1e300)


def unit(values) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def rows_of(lists, num_real=None) -> RaggedTokens:
    lengths = np.array([len(tokens) for tokens in lists], np.int32)
    return RaggedTokens(
        np.concatenate(lists).astype(np.float16),
        np.cumsum(lengths, dtype=np.int64) - lengths,
        lengths,
        lengths if num_real is None else np.array(num_real, np.int32),
    )


def adversarial(rng, kind, count=40) -> list[np.ndarray]:
    """Entries that invite a mistake: each a list of tokens."""
    near = unit(rng.normal(size=(6, DIM))).astype(np.float16)
    if kind == "random":
        return [unit(rng.normal(size=(rng.integers(1, 12), DIM))) for _ in range(count)]
    if kind == "one token":
        return [unit(rng.normal(size=(1, DIM))) for _ in range(count)]
    if kind == "copies":
        return [near[: 1 + number % 3] for number in range(count)]
    if kind == "shuffled copies":
        return [rng.permutation(near) for _ in range(count)]
    # Near-ties: one number of one token is the next float16.
    entries = []
    for _ in range(count):
        other = near.copy()
        place = rng.integers(6), rng.integers(DIM)
        other[place] = np.nextafter(other[place], np.float16(rng.choice([-2, 2])))
        entries.append(other)
    return entries


KINDS = ("random", "one token", "copies", "shuffled copies", "near-ties")


def searched(rows, coarse_dim) -> Searched:
    projection = Projection.fit(rows.tokens, coarse_dim=coarse_dim)
    return Searched(rows, compress(rows, projection), projection, int(rows.num_tokens.max()))


def query_of(rng, similarity, num_words=5, num_real=4) -> Query:
    words = torch.from_numpy(unit(rng.normal(size=(num_words, DIM)))).float()
    return Query.of(QueryTokens(words, torch.arange(num_words) < num_real), similarity)


def slow(rows, query, entry) -> float:
    tokens = torch.from_numpy(rows.of(entry).astype(np.float64))[None]
    is_real = torch.arange(tokens.shape[1])[None] < int(rows.num_real[entry])
    words = torch.from_numpy(query.words.astype(np.float64))[None]
    return retrieval_score(
        tokens, words, is_real, torch.from_numpy(query.is_real)[None], query.similarity
    ).item()


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", ["masked", "published"])
def test_pruning_changes_nothing(rng, kind, padding):
    for temperature in TEMPERATURES:
        similarity = SimilaritySettings(temperature=temperature, padding=padding)
        lists = adversarial(rng, kind)
        num_real = [int(rng.integers(1, len(tokens) + 1)) for tokens in lists]
        found = searched(rows_of(lists, num_real), int(rng.integers(2, DIM)))
        entries = np.flatnonzero(rng.random(len(lists)) < 0.8)
        for k in (1, 3, len(entries)):
            query = query_of(rng, similarity)
            right = exhaustive(found, query, entries, k)
            likely = np.sort(rng.permutation(entries)[:k])
            ours = pruned(found, query, entries, k, likely=likely)
            np.testing.assert_array_equal(ours[0], right[0])
            np.testing.assert_array_equal(ours[1], right[1])
            # The scores are those of each entry alone, and nothing left out is better.
            alone = np.array([pair_score(found.rows, int(entry), query) for entry in entries])
            order = np.argsort(-alone, kind="stable")[:k]
            np.testing.assert_array_equal(right[0], entries[order])
            np.testing.assert_array_equal(right[1], alone[order])


@pytest.mark.parametrize("kind", KINDS)
def test_affine_maps_of_the_entries_leave_search_exact(rng, kind):
    plain = searched(rows_of(adversarial(rng, kind)), 4)
    count = len(plain.rows)
    # Few values, so that many entries are tied after their maps too.
    slope, offset = rng.choice([0.5, 1.0, 8.0], count), rng.choice([-0.5, 0.0, 0.5], count)
    found = replace(plain, rescaling=Rescaling(slope, offset))
    entries = np.flatnonzero(rng.random(count) < 0.8)
    for k in (1, 3, len(entries)):
        query = query_of(rng, SimilaritySettings(padding="masked"))
        alone = np.array([pair_score(plain.rows, int(entry), query) for entry in entries])
        order = np.argsort(-(slope[entries] * alone + offset[entries]), kind="stable")[:k]
        likely = np.sort(rng.permutation(entries)[:k])
        for ours in (
            exhaustive(found, query, entries, k),
            pruned(found, query, entries, k, likely=likely),
        ):
            np.testing.assert_array_equal(ours[0], entries[order])
            np.testing.assert_array_equal(ours[1], alone[order])


@pytest.mark.parametrize("padding", ["masked", "published"])
def test_scores_are_those_of_the_model(rng, padding):
    for temperature in (1e-6, 0.01, 0.07, 1.0, 1e3):
        similarity = SimilaritySettings(temperature=temperature, padding=padding)
        lists = adversarial(rng, "random", 30)
        num_real = [int(rng.integers(1, len(tokens) + 1)) for tokens in lists]
        rows, query = rows_of(lists, num_real), query_of(rng, similarity)
        if padding == "masked":
            rows = rows_of([t[:n] for t, n in zip(lists, num_real, strict=True)])
        for entry in range(len(rows)):
            assert pair_score(rows, entry, query) == pytest.approx(
                slow(rows, query, entry), abs=1e-12
            )


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_float32_stays_within_its_error(rng, temperature):
    for padding, kind in itertools.product(("masked", "published"), KINDS):
        similarity = SimilaritySettings(temperature=temperature, padding=padding)
        found = searched(rows_of(adversarial(rng, kind, 25)), 4)
        query = query_of(rng, similarity, 9, 7)
        alone = np.array([pair_score(found.rows, entry, query) for entry in range(25)])
        error = np.abs(all_scores(found, query, np.arange(25)) - alone).max()
        allowed = score_error(DIM, found.longest, query)
        assert error <= allowed
        assert allowed < 1e-3


@pytest.mark.parametrize("padding", ["masked", "published"])
@pytest.mark.parametrize("coarse_dim", [1, 8, DIM])
def test_no_score_exceeds_its_bound(rng, padding, coarse_dim):
    for kind, temperature in itertools.product(KINDS, TEMPERATURES):
        similarity = SimilaritySettings(temperature=temperature, padding=padding)
        lists = adversarial(rng, kind, 20)
        num_real = [int(rng.integers(1, len(tokens) + 1)) for tokens in lists]
        found = searched(rows_of(lists, num_real), coarse_dim)
        query = query_of(rng, similarity)
        bounds = upper_bounds(found, query, np.arange(20))
        alone = np.array([pair_score(found.rows, entry, query) for entry in range(20)])
        assert (bounds >= alone).all()


def test_a_bound_is_reached_where_nothing_is_lost(rng):
    # All dimensions kept and a cold softmax: the score is its largest values' mean.
    similarity = SimilaritySettings(temperature=1e-6, padding="masked")
    found = searched(rows_of(adversarial(rng, "random", 40)), DIM)
    query = query_of(rng, similarity)
    alone = np.array([pair_score(found.rows, entry, query) for entry in range(40)])
    assert (upper_bounds(found, query, np.arange(40)) - alone).max() < 0.02


def test_bounds_leave_most_entries_unscored(rng, monkeypatch):
    # Tokens of few directions, as those of a trained model are.
    lists = []
    for _ in range(500):
        tokens = np.zeros((5, DIM))
        tokens[:, :4] = rng.normal(size=4) + 0.3 * rng.normal(size=(5, 4))
        lists.append(unit(tokens))
    found = searched(rows_of(lists), 4)
    similarity = SimilaritySettings(temperature=0.07, padding="masked")
    words = np.zeros((3, DIM))
    words[:, :4] = unit(rng.normal(size=(1, 4))) + 0.1
    is_real = torch.ones(3).bool()
    query = Query.of(QueryTokens(torch.from_numpy(unit(words)).float(), is_real), similarity)
    right = exhaustive(found, query, np.arange(500), 5)

    scored = []

    def counted(searched, query, entries):
        scored.extend(entries.tolist())
        return all_scores(searched, query, entries)

    monkeypatch.setattr("search.engine.exact.all_scores", counted)
    ours = pruned(found, query, np.arange(500), 5, likely=right[0][np.argsort(right[0])])
    np.testing.assert_array_equal(ours[0], right[0])
    assert len(scored) < 100
    # No entry is scored twice.
    assert len(set(scored)) == len(scored)


def test_what_bounds_cannot_leave_out_is_still_scored_once(rng, monkeypatch):
    monkeypatch.setattr("search.engine.exact.STRIPE", 16)
    # A single coarse dimension bounds nothing: from the second stripe on, bounds are not computed.
    found = searched(rows_of(adversarial(rng, "random", 200)), 1)
    query = query_of(rng, SimilaritySettings(temperature=0.07, padding="masked"))
    bounded = []

    def counted(searched, query, entries):
        bounded.append(len(entries))
        return upper_bounds(searched, query, entries)

    monkeypatch.setattr("search.engine.exact.upper_bounds", counted)
    entries = np.arange(200)
    right = exhaustive(found, query, entries, 4)
    ours = pruned(found, query, entries, 4, likely=np.array([7, 50, 51, 199]))
    np.testing.assert_array_equal(ours[0], right[0])
    np.testing.assert_array_equal(ours[1], right[1])
    assert sum(bounded) < 200


def test_what_float32_cannot_tell_apart_is_ranked_in_float64(rng):
    # The same tokens in other orders: the scores differ in the last bits of a sum alone.
    tokens = unit(rng.normal(size=(12, DIM)))
    found = searched(rows_of([rng.permutation(tokens) for _ in range(60)]), 4)
    for _ in range(5):
        query = query_of(rng, SimilaritySettings(temperature=0.07, padding="masked"))
        alone = np.array([pair_score(found.rows, entry, query) for entry in range(60)])
        order = np.argsort(-alone, kind="stable")
        for k in (1, 5):
            entries, scores = exhaustive(found, query, np.arange(60), k)
            np.testing.assert_array_equal(entries, order[:k])
            np.testing.assert_array_equal(scores, alone[order[:k]])
