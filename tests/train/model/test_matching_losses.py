import math

import pytest
import torch

from train.batches import SignTokens, TextTokens
from train.model.matching_losses import diagonal_cross_entropy, retrieval_losses, stream_loss
from train.settings import LossSettings, SimilaritySettings


def tokens(*, streams, seed=0):
    generator = torch.Generator().manual_seed(seed)
    named = {name: torch.randn(3, 4, 6, generator=generator) for name in streams}
    real = torch.ones(3, 4, dtype=torch.bool)
    words = TextTokens(torch.randn(3, 5, 6, generator=generator), torch.ones(3, 5).bool())
    return SignTokens(real, **named), words


def losses(signs, words, weights):
    return retrieval_losses(signs, words, words, torch.tensor(10.0), SimilaritySettings(), weights)


def test_cross_entropy_of_equal_scores_is_that_of_guessing():
    assert diagonal_cross_entropy(torch.zeros(8, 8)).item() == pytest.approx(math.log(8))


def test_the_stream_loss_reads_rows_and_columns_of_both():
    one, other = torch.randn(4, 4), torch.randn(4, 4)
    labels = torch.arange(4)
    scores = (one, one.T, other, other.T)
    expected = sum(torch.nn.functional.cross_entropy(score, labels) for score in scores) / 4
    torch.testing.assert_close(stream_loss(one, other), expected)


def test_the_total_weighs_the_parts():
    signs, words = tokens(streams=("pose", "rgb", "fusion"))
    weights = LossSettings(fusion=2.0, pose=3.0, rgb=5.0, pose_rgb_matching=7.0)
    found = losses(signs, words, weights)
    assert set(found.parts) == {"fusion", "pose", "rgb", "pose_rgb_matching"}
    expected = sum(weight * found.parts[name] for name, weight in weights.model_dump().items())
    torch.testing.assert_close(found.total, expected)


@pytest.mark.parametrize("stream", ["pose", "rgb"])
def test_a_single_stream_has_its_text_loss_only(stream):
    signs, words = tokens(streams=(stream,))
    assert set(losses(signs, words, LossSettings()).parts) == {stream}


def test_rows_that_belong_together_lose_less():
    generator = torch.Generator().manual_seed(3)
    same = torch.randn(3, 4, 6, generator=generator)
    real = torch.ones(3, 4, dtype=torch.bool)
    signs, words = SignTokens(real, pose=same), TextTokens(same, real)
    shuffled = TextTokens(same.roll(1, dims=0), real)
    assert (
        losses(signs, words, LossSettings()).total < losses(signs, shuffled, LossSettings()).total
    )
