import numpy as np
import pytest
import torch

from train.model.fine_grained_similarity import (
    clip_by_clip,
    retrieval_score,
    text_to_video,
    token_similarities,
    unit_length,
    video_to_text,
)
from train.settings import SimilaritySettings

PUBLISHED = SimilaritySettings()
MASKED = SimilaritySettings(padding="masked")


@pytest.fixture
def tokens():
    generator = torch.Generator().manual_seed(0)
    signs = unit_length(torch.randn(3, 5, 4, generator=generator, dtype=torch.float64))
    words = unit_length(torch.randn(2, 6, 4, generator=generator, dtype=torch.float64))
    token_is_real = torch.arange(5) < torch.tensor([[5], [2], [3]])
    word_is_real = torch.arange(6) < torch.tensor([[4], [6]])
    return signs, words, token_is_real, word_is_real


def slow_mean(values, others, is_real, other_is_real, padding):
    """Of one pair: mean over real values of their softmax-weighted similarity to the others."""
    total = 0.0
    for value in values[is_real]:
        counted = others if padding == "published" else others[other_is_real]
        similarities = np.array([float(value @ other) for other in counted])
        weights = np.exp(similarities / 0.07)
        total += float((similarities * weights / weights.sum()).sum())
    return total / int(is_real.sum())


@pytest.mark.parametrize("settings", [PUBLISHED, MASKED])
def test_both_directions_are_the_double_loop(tokens, settings):
    signs, words, token_is_real, word_is_real = tokens
    similarities = token_similarities(signs, words)
    to_text = video_to_text(similarities, token_is_real, word_is_real, settings)
    to_video = text_to_video(similarities, token_is_real, word_is_real, settings)
    for video in range(3):
        for text in range(2):
            sides = (signs[video], words[text], token_is_real[video], word_is_real[text])
            expected = slow_mean(*sides, settings.padding)
            assert to_text[video, text].item() == pytest.approx(expected, rel=1e-6)
            swapped = (sides[1], sides[0], sides[3], sides[2])
            expected = slow_mean(*swapped, settings.padding)
            assert to_video[video, text].item() == pytest.approx(expected, rel=1e-6)
    score = retrieval_score(*tokens, settings)
    torch.testing.assert_close(score, 0.5 * (to_text + to_video))


def test_masked_padding_changes_nothing(tokens):
    signs, words, token_is_real, word_is_real = tokens
    before = retrieval_score(*tokens, MASKED)
    signs, words = signs.clone(), words.clone()
    signs[~token_is_real] = unit_length(torch.randn(1, 5, 4, dtype=torch.float64))[0]
    words[~word_is_real] = unit_length(torch.randn(1, 2, 4, dtype=torch.float64))[0]
    changed = (signs, words, token_is_real, word_is_real)
    torch.testing.assert_close(retrieval_score(*changed, MASKED), before)
    assert not torch.allclose(retrieval_score(*changed, PUBLISHED), before)


def test_one_clip_and_one_word_have_their_cosine():
    one = unit_length(torch.tensor([[[3.0, 4.0]]]))
    other = unit_length(torch.tensor([[[1.0, 0.0]]]))
    real = torch.ones(1, 1, dtype=torch.bool)
    assert retrieval_score(one, other, real, real, PUBLISHED).item() == pytest.approx(0.6)


@pytest.mark.parametrize("settings", [PUBLISHED, MASKED])
@pytest.mark.parametrize("dim", [-1, -2])
def test_clip_by_clip_is_the_double_loop(tokens, settings, dim):
    signs, _, token_is_real, _ = tokens
    other = unit_length(signs.flip(0) + 0.3)
    found = clip_by_clip(token_similarities(signs, other), token_is_real, settings, dim=dim)
    for a in range(3):
        for b in range(3):
            similarities = signs[a] @ other[b].T
            similarities = similarities if dim == -1 else similarities.T
            own, counted = (a, b) if dim == -1 else (b, a)
            expected = 0.0
            for clip in token_is_real[own].nonzero().flatten():
                weights = np.exp(similarities[clip].numpy() / 0.07)
                if settings.padding == "masked":
                    weights = weights * token_is_real[counted].numpy()
                expected += float(similarities[clip, clip]) * weights[clip] / weights.sum()
            assert found[a, b].item() == pytest.approx(expected, rel=1e-6)
