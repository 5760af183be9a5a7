"""Compressed tokens bound every similarity from above, whatever the tokens are."""

import numpy as np
import pytest

from search.engine.compression import Projection, compress, rounded_up
from search.engine.ragged_tokens import RaggedTokens

DIM, COARSE = 24, 6


def unit_tokens(rng: np.random.Generator, count: int, dim: int = DIM) -> np.ndarray:
    values = rng.normal(size=(count, dim))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)


def ragged(rng: np.random.Generator, lengths: list[int], dim: int = DIM) -> RaggedTokens:
    num_tokens = np.array(lengths, np.int32)
    return RaggedTokens(
        unit_tokens(rng, int(num_tokens.sum()), dim),
        np.cumsum(num_tokens, dtype=np.int64) - num_tokens,
        num_tokens,
        num_tokens - (num_tokens > 2),
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("shift", [0.0, 3.0], ids=["like the sample", "far from the sample"])
def test_no_similarity_exceeds_its_bound(rng: np.random.Generator, shift: float) -> None:
    # Tokens unlike the sample have coordinates that are cut off, and lose more.
    projection = Projection.fit(unit_tokens(rng, 300), coarse_dim=COARSE)
    tokens = unit_tokens(rng, 2000).astype(float) + shift * projection.matrix[:, 0]
    tokens = (tokens / np.linalg.norm(tokens, axis=1, keepdims=True)).astype(np.float16)
    lengths = np.full(50, 40, np.int32)
    rows = RaggedTokens(tokens, np.arange(50) * 40, lengths, lengths)
    found = compress(rows, projection)

    words = np.concatenate([unit_tokens(rng, 30), tokens[:30], -tokens[:30]]).astype(np.float32)
    coordinates = projection.coordinates(words)
    bounds = (
        (found.coarse * projection.step.astype(float)) @ coordinates.T
        + found.rounding.astype(float)[:, None] * np.linalg.norm(coordinates, axis=1)
        + found.residual.astype(float)[:, None] * projection.lost(words, coordinates)
    )
    similarities = tokens.astype(float) @ words.T.astype(float)
    assert (similarities <= bounds).all()
    # A token's bound with itself is nearly reached: the bound is no idle one.
    reached = np.diagonal(bounds[:30, 30:60] - similarities[:30, 30:60])
    assert reached.max() < 0.05


def test_results_lie_beside_the_tokens_in_any_blocks(rng: np.random.Generator) -> None:
    rows = ragged(rng, [1, 2, 64, 5, 3000, 4, 2100, 1])
    projection = Projection.fit(rows.tokens, coarse_dim=COARSE)
    whole = compress(rows, projection)
    for entry in range(len(rows)):
        alone = compress(
            RaggedTokens(
                rows.tokens,
                rows.first[entry : entry + 1],
                rows.num_tokens[entry : entry + 1],
                rows.num_real[entry : entry + 1],
            ),
            projection,
        )
        run = slice(rows.first[entry], rows.first[entry] + rows.num_tokens[entry])
        np.testing.assert_allclose(whole.coarse[run], alone.coarse, atol=1)
        np.testing.assert_allclose(whole.residual[run], alone.residual, rtol=2e-3)
        assert (whole.code[run] == alone.code).mean() > 0.99


def test_directions_are_those_in_which_both_samples_differ(rng: np.random.Generator) -> None:
    # Signs vary in the first three dimensions, words in the next two, of which there are few.
    signs, words = np.zeros((500, DIM), np.float16), np.zeros((9, DIM), np.float16)
    signs[:, :3], words[:, 3:5] = unit_tokens(rng, 500, 3), unit_tokens(rng, 9, 2)
    projection = Projection.fit(signs, words, coarse_dim=5)
    for tokens in (signs, words):
        assert projection.lost(tokens, projection.coordinates(tokens)).max() < 2e-3
    assert not Projection.fit(signs, words[:0], coarse_dim=3).matrix[3:].any()


def test_few_dimensions_and_no_entries(rng: np.random.Generator) -> None:
    projection = Projection.fit(unit_tokens(rng, 50, 3), coarse_dim=64)
    assert projection.matrix.shape == (3, 3)
    empty = ragged(rng, [], dim=3)
    found = compress(empty, projection)
    assert found.coarse.shape == (0, 3)


def test_other_matrices_are_no_projections() -> None:
    with pytest.raises(ValueError, match="orthonormal"):
        Projection(*(np.ones(shape, np.float32) for shape in ((4, 2), 2, (1, 2))))


def test_rounding_up_never_rounds_down(rng: np.random.Generator) -> None:
    values = np.concatenate([rng.uniform(0, 2, 5000), [0.0, 1.0, 1e-9]])
    above = rounded_up(values).astype(float)
    assert (above >= values).all()
    assert (above <= values * (1 + 2**-10) + 1e-7).all()
    assert rounded_up(np.array([1.0]))[0] <= 1 + 2**-10


def test_a_code_names_the_nearest_point(rng: np.random.Generator) -> None:
    # Sixty heaps of signs and a heap of words: every heap gets points of its own.
    centres = unit_tokens(rng, 61).astype(float)
    signs = np.repeat(centres[:60], 40, axis=0)
    signs = (signs + rng.normal(scale=1e-3, size=signs.shape)).astype(np.float16)
    projection = Projection.fit(signs, centres[60:].astype(np.float16), coarse_dim=COARSE)
    lengths = np.full(len(signs), 1, np.int32)
    codes = compress(RaggedTokens(signs, np.arange(len(signs)), lengths, lengths), projection).code
    distances = np.linalg.norm(
        projection.coordinates(signs)[:, None] - projection.codebook[None], axis=-1
    )
    np.testing.assert_allclose(
        distances[np.arange(len(signs)), codes], distances.min(axis=1), atol=1e-5
    )
    of_word = np.linalg.norm(projection.coordinates(centres[60:]) - projection.codebook, axis=1)
    assert of_word.min() < 1e-2
    assert distances.min(axis=1).mean() < 0.1
    again = Projection.fit(signs, centres[60:].astype(np.float16), coarse_dim=COARSE)
    np.testing.assert_array_equal(projection.codebook, again.codebook)
