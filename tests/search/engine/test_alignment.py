"""A score taken apart is still the score."""

import numpy as np
import pytest
import torch


def tokens(*rows, num_real=None):
    from search.engine.ragged_tokens import QueryTokens

    values = torch.tensor(rows, dtype=torch.float32)
    values = values / values.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    is_real = torch.arange(len(rows)) < (len(rows) if num_real is None else num_real)
    return QueryTokens(values, is_real)


def spans(count):
    from search.results import Span

    return [Span(float(n), n + 1.0) for n in range(count)]


def random_pair(num_tokens, num_real_tokens, num_words, num_real_words):
    generator = torch.Generator().manual_seed(3)
    signs = torch.randn(num_tokens, 6, generator=generator).tolist()
    words = torch.randn(num_words, 6, generator=generator).tolist()
    return tokens(*signs, num_real=num_real_tokens), tokens(*words, num_real=num_real_words)


def test_a_case_by_hand():
    from search.engine.alignment import align
    from train.settings import SimilaritySettings

    # The class token lies between both words; each clip is one of them.
    signs, sentence = tokens([1, 1], [1, 0], [0, 1]), tokens([1, 0], [0, 1])
    settings = SimilaritySettings(temperature=0.5, padding="masked")
    found = align(signs, sentence, settings, stream="fusion", words=["sun", "rain"], clips=spans(2))
    half = 2**-0.5
    assert found.similarities.tolist() == [[1, 0], [0, 1]]
    assert found.class_token == pytest.approx([half, half])
    # e^(1 / 0.5) against e^0.
    of_clip = np.e**2 / (np.e**2 + 1)
    assert found.of_class_token == pytest.approx(half)
    assert found.of_clips == pytest.approx([of_clip, of_clip])
    weights = np.exp(np.array([half, 1, 0]) / 0.5)
    of_word = (weights @ [half, 1, 0]) / weights.sum()
    assert found.of_words == pytest.approx([of_word, of_word])
    assert found.video_to_text == pytest.approx((half + 2 * of_clip) / 3)
    assert found.text_to_video == pytest.approx(of_word)
    assert found.score == pytest.approx((found.video_to_text + found.text_to_video) / 2)


@pytest.mark.parametrize("padding", ["masked", "published"])
def test_the_parts_make_the_retrieval_score(padding):
    from search.engine.alignment import align
    from train.model.fine_grained_similarity import retrieval_score
    from train.settings import SimilaritySettings

    signs, sentence = random_pair(9, 5, 7, 4)
    settings = SimilaritySettings(temperature=0.07, padding=padding)
    found = align(signs, sentence, settings, stream="rgb", words=list("abcd"), clips=spans(4))
    expected = retrieval_score(
        signs.tokens[None], sentence.tokens[None], signs.is_real[None], sentence.is_real[None],
        settings,
    )  # fmt: skip
    assert found.score == pytest.approx(expected.item(), abs=1e-6)
    of_tokens = [found.of_class_token, *found.of_clips]
    assert np.mean(of_tokens) == pytest.approx(found.video_to_text, abs=1e-6)
    assert found.of_words.mean() == pytest.approx(found.text_to_video, abs=1e-6)
    assert found.similarities.shape == (4, 4)


def test_names_that_do_not_fit_are_refused():
    from search.engine.alignment import align
    from train.settings import SimilaritySettings

    signs, sentence = random_pair(4, 4, 2, 2)
    with pytest.raises(ValueError, match="3 clips and 2 words, got 3 and 1"):
        align(
            signs, sentence, SimilaritySettings(temperature=0.07, padding="masked"),
            stream="rgb", words=["one"], clips=spans(3),
        )  # fmt: skip
