"""Losses by value, and their memory."""

import math

import pytest
import torch

from train.batches import SignTokens, TextTokens, tensors_of
from train.model import matching_losses
from train.model.matching_losses import (
    cross_entropy,
    matching_targets,
    retrieval_losses,
    rows_in_pieces,
    stream_loss,
)
from train.settings import LossSettings, SimilaritySettings, TargetSettings


def tokens(*, streams, seed=0):
    generator = torch.Generator().manual_seed(seed)
    named = {name: torch.randn(3, 4, 6, generator=generator) for name in streams}
    real = torch.ones(3, 4, dtype=torch.bool)
    words = TextTokens(torch.randn(3, 5, 6, generator=generator), torch.ones(3, 5).bool())
    return SignTokens(real, **named), words


def losses(signs, words, weights):
    return retrieval_losses(
        signs, words, words, torch.tensor(10.0), SimilaritySettings(), weights, torch.eye(3)
    )


def test_cross_entropy_of_equal_scores_is_that_of_guessing():
    found = cross_entropy(torch.zeros(8, 8), torch.eye(8))
    assert found.item() == pytest.approx(math.log(8))


def test_the_stream_loss_reads_rows_and_columns_of_both():
    one, other = torch.randn(4, 4), torch.randn(4, 4)
    labels = torch.arange(4)
    scores = (one, one.T, other, other.T)
    expected = sum(torch.nn.functional.cross_entropy(score, labels) for score in scores) / 4
    torch.testing.assert_close(stream_loss(one, other, torch.eye(4)), expected)


SENTENCES = torch.tensor([[True, False, True], [False, True, False], [True, False, True]])
"""The first and the last video have one sentence."""


def test_as_published_a_video_matches_its_own_row_alone():
    torch.testing.assert_close(matching_targets(SENTENCES, TargetSettings()), torch.eye(3))


def test_all_videos_of_a_sentence_may_match_it():
    targets = matching_targets(SENTENCES, TargetSettings(positives="same_sentence"))
    torch.testing.assert_close(
        targets, torch.tensor([[0.5, 0.0, 0.5], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
    )


def test_smoothing_spreads_a_part_of_the_target():
    targets = matching_targets(SENTENCES, TargetSettings(label_smoothing=0.3))
    torch.testing.assert_close(targets, torch.full((3, 3), 0.1) + 0.7 * torch.eye(3))


def test_the_loss_is_torchs_own_for_any_targets():
    one, other = torch.randn(3, 3), torch.randn(3, 3)
    settings = TargetSettings(positives="same_sentence", label_smoothing=0.2)
    targets = matching_targets(SENTENCES, settings)
    scores = (one, one.T, other, other.T)
    expected = sum(torch.nn.functional.cross_entropy(score, targets) for score in scores) / 4
    torch.testing.assert_close(stream_loss(one, other, targets), expected)


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


SETTINGS = [SimilaritySettings(padding="published"), SimilaritySettings(padding="masked")]


def many_tokens(num_videos=7, dtype=torch.float64):
    """Three streams, sentences and twins; all of them leaves that want gradients."""
    generator = torch.Generator().manual_seed(0)

    def random(places):
        values = torch.randn(num_videos, places, 6, generator=generator, dtype=dtype)
        return values.requires_grad_()

    def mask(places):
        ends = torch.randint(1, places + 1, (num_videos, 1), generator=generator)
        return torch.arange(places) < ends

    signs = SignTokens(mask(5), random(5), random(5), random(5))
    return signs, TextTokens(random(4), mask(4)), TextTokens(random(4), mask(4))


def losses_of(encoded, settings):
    targets = torch.eye(len(encoded[0].token_is_real))
    return retrieval_losses(*encoded, torch.tensor(10.0), settings, LossSettings(), targets)


def run(encoded, settings):
    """Loss, parts, and the gradients of all tokens."""
    found = losses_of(encoded, settings)
    leaves = [leaf for tree in encoded for leaf in tensors_of(tree) if leaf.requires_grad]
    gradients = torch.autograd.grad(found.total, leaves)
    return [found.total, *found.parts.values(), *gradients]


def kept_bytes(encoded, settings):
    """What autograd holds from the forward pass on, the tokens themselves aside."""
    seen = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        found = losses_of(encoded, settings)
    assert found.total.requires_grad  # and keeps alive what was counted
    return sum(seen.values())


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("limit", [1, 4 * 8 * 7 * 5 * 5])
def test_recomputed_similarities_change_nothing(settings, limit, monkeypatch):
    kept = run(many_tokens(), settings)
    monkeypatch.setattr(matching_losses, "KEPT_BYTES", limit)
    for again, before in zip(run(many_tokens(), settings), kept, strict=True):
        torch.testing.assert_close(again, before, atol=1e-12, rtol=1e-12)


def test_half_precision_is_the_same_the_second_time(monkeypatch):
    """The backward pass computes in the precision of the forward pass, not in its own."""
    with torch.autocast("cpu", torch.bfloat16):
        kept = run(many_tokens(dtype=torch.float32), SETTINGS[0])
    monkeypatch.setattr(matching_losses, "KEPT_BYTES", 1)
    encoded = many_tokens(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = losses_of(encoded, SETTINGS[0])
    leaves = [leaf for tree in encoded for leaf in tensors_of(tree) if leaf.requires_grad]
    gradients = torch.autograd.grad(found.total, leaves)
    for again, before in zip(gradients, kept[-len(gradients) :], strict=True):
        torch.testing.assert_close(again, before, atol=1e-2, rtol=1e-2)


def test_a_large_batch_keeps_nothing_of_the_similarities_size(monkeypatch):
    encoded, settings = many_tokens(40, torch.float32), SETTINGS[0]
    similarities = 4 * 40 * 40 * 5 * 4
    plain = kept_bytes(encoded, settings)
    assert plain > 12 * similarities  # two arrays a stream and direction
    monkeypatch.setattr(matching_losses, "KEPT_BYTES", similarities // 4)
    assert kept_bytes(encoded, settings) < plain / 10


def test_a_small_batch_computes_everything_once():
    calls = []

    def result(signs, is_real):
        calls.append(len(signs))
        return signs.sum(dim=(1, 2)) * is_real.sum(dim=1)

    signs = torch.randn(6, 2, 3, requires_grad=True)
    real = torch.ones(6, 2, dtype=torch.bool)
    rows_in_pieces(result, signs, real, values_per_row=100).sum().backward()
    assert calls == [6]
    calls.clear()
    values = matching_losses.KEPT_BYTES // 4 // 4  # four rows fit
    found = rows_in_pieces(result, signs, real, values_per_row=values)
    torch.testing.assert_close(found, result(signs, real))
    found.sum().backward()
    assert calls[:3] == [4, 2, 6]
    assert sorted(calls[3:]) == [2, 4]
