"""Large batches: what is between tokens and scores is computed twice instead of kept."""

import pytest
import torch

from train.batches import SignTokens, TextTokens, tensors_of
from train.model import matching_losses
from train.model.matching_losses import retrieval_losses, rows_in_pieces
from train.settings import LossSettings, SimilaritySettings

SETTINGS = [SimilaritySettings(padding="published"), SimilaritySettings(padding="masked")]


def tokens(num_videos=7, dtype=torch.float64):
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


def losses(encoded, settings):
    return retrieval_losses(*encoded, torch.tensor(10.0), settings, LossSettings())


def run(encoded, settings):
    """Loss, parts, and the gradients of all tokens."""
    found = losses(encoded, settings)
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
        found = losses(encoded, settings)
    assert found.total.requires_grad  # and keeps alive what was counted
    return sum(seen.values())


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("limit", [1, 4 * 8 * 7 * 5 * 5])
def test_recomputed_similarities_change_nothing(settings, limit, monkeypatch):
    kept = run(tokens(), settings)
    monkeypatch.setattr(matching_losses, "KEPT_BYTES", limit)
    for again, before in zip(run(tokens(), settings), kept, strict=True):
        torch.testing.assert_close(again, before, atol=1e-12, rtol=1e-12)


def test_half_precision_is_the_same_the_second_time(monkeypatch):
    """The backward pass computes in the precision of the forward pass, not in its own."""
    with torch.autocast("cpu", torch.bfloat16):
        kept = run(tokens(dtype=torch.float32), SETTINGS[0])
    monkeypatch.setattr(matching_losses, "KEPT_BYTES", 1)
    encoded = tokens(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = losses(encoded, SETTINGS[0])
    leaves = [leaf for tree in encoded for leaf in tensors_of(tree) if leaf.requires_grad]
    gradients = torch.autograd.grad(found.total, leaves)
    for again, before in zip(gradients, kept[-len(gradients) :], strict=True):
        torch.testing.assert_close(again, before, atol=1e-2, rtol=1e-2)


def test_a_large_batch_keeps_nothing_of_the_similarities_size(monkeypatch):
    encoded, settings = tokens(40, torch.float32), SETTINGS[0]
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
