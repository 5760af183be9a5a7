import pytest
import torch

from train.evaluation.scoring import SMALLEST_TEMPERATURE, block_scores
from train.model.fine_grained_similarity import retrieval_score, unit_length
from train.settings import SimilaritySettings


def sides(dtype=torch.float32, *, num_videos=5, num_texts=7):
    """Unit-length tokens and masks; the first sentence says what the first video shows."""
    generator = torch.Generator().manual_seed(0)
    signs = unit_length(torch.randn(num_videos, 9, 16, generator=generator, dtype=dtype))
    words = unit_length(torch.randn(num_texts, 6, 16, generator=generator, dtype=dtype))
    words[0] = signs[0, :6]
    token_is_real = torch.arange(9) < torch.randint(1, 10, (num_videos, 1), generator=generator)
    word_is_real = torch.arange(6) < torch.randint(1, 7, (num_texts, 1), generator=generator)
    return signs, words, token_is_real, word_is_real


@pytest.mark.parametrize("padding", ["published", "masked"])
@pytest.mark.parametrize("temperature", [0.07, 1.0, SMALLEST_TEMPERATURE])
def test_quotients_of_sums_are_softmaxes(padding, temperature):
    settings = SimilaritySettings(padding=padding, temperature=temperature)
    tokens = sides(torch.float64)
    torch.testing.assert_close(
        block_scores(*tokens, settings), retrieval_score(*tokens, settings), atol=1e-12, rtol=0
    )


@pytest.mark.parametrize("padding", ["published", "masked"])
@pytest.mark.parametrize("temperature", [0.07, SMALLEST_TEMPERATURE])
def test_single_precision_loses_nothing_to_the_missing_maximum(padding, temperature):
    settings = SimilaritySettings(padding=padding, temperature=temperature)
    expected = retrieval_score(*sides(torch.float64), settings)
    tokens = [side.float() if side.is_floating_point() else side for side in sides(torch.float64)]
    plain = (retrieval_score(*tokens, settings) - expected).abs().max()
    found = (block_scores(*tokens, settings) - expected).abs().max()
    assert found < max(1e-6, 2 * plain)


def test_the_largest_sums_are_numbers():
    """All tokens the same, or opposite: every exponent at its end."""
    settings = SimilaritySettings(temperature=SMALLEST_TEMPERATURE)
    signs = unit_length(torch.ones(1, 65, 4))
    real = torch.ones(1, 65, dtype=torch.bool)
    for sign in (1.0, -1.0):
        score = block_scores(signs, sign * signs, real, real, settings)
        assert score.item() == pytest.approx(sign, abs=1e-5)


def test_padding_is_not_looked_at_where_it_counts_for_nothing():
    signs, words, token_is_real, word_is_real = sides()
    settings = SimilaritySettings(padding="masked")
    before = block_scores(signs, words, token_is_real, word_is_real, settings)
    signs[~token_is_real], words[~word_is_real] = 0.25, -0.25
    after = block_scores(signs, words, token_is_real, word_is_real, settings)
    assert not token_is_real.all()
    assert not word_is_real.all()
    torch.testing.assert_close(after, before)
    published = SimilaritySettings()
    other = block_scores(signs, words, token_is_real, word_is_real, published)
    assert not torch.allclose(other, before, atol=1e-3)
