"""Cross gloss attention fusion: attention, sampling positions, both branches."""

import math

import pytest
import torch
from torch.nn.functional import grid_sample

from train.model.cross_gloss_fusion import (
    CrossGlossAttention,
    CrossGlossFusion,
    CrossGlossLayer,
    attend_to_samples,
    sinusoidal_positions,
)
from train.model.gloss_sampling import Samples, neighbour_positions, sample_exact, sample_published
from train.settings import CgafSettings


def test_positions_by_hand():
    positions = sinusoidal_positions(3, 4)
    slow = 10_000**-0.5
    expected = [math.sin(2), math.cos(2), math.sin(2 * slow), math.cos(2 * slow)]
    torch.testing.assert_close(positions[2], torch.tensor(expected))
    assert positions[0].tolist() == [0, 1, 0, 1]


def test_a_batch_of_one_and_a_video_of_one_clip():
    fusion = CrossGlossFusion(16, CgafSettings(heads=2, hidden=32)).eval()
    real = torch.tensor([[True, True, False, False]])
    fused = fusion(torch.randn(1, 4, 16), torch.randn(1, 4, 16), real)
    assert fused.shape == (1, 4, 16)
    assert fused.isfinite().all()


def test_branches_do_not_share_weights_and_read_each_other():
    torch.manual_seed(0)
    fusion = CrossGlossFusion(16, CgafSettings(heads=2, hidden=32)).eval()
    real = torch.ones(1, 4, dtype=torch.bool)
    pose, rgb = torch.randn(1, 4, 16, requires_grad=True), torch.randn(1, 4, 16)
    rgb.requires_grad_()
    assert not torch.allclose(fusion(pose, rgb, real), fusion(rgb, pose, real))
    fusion(pose, rgb, real)[0, 0].square().sum().backward()
    assert pose.grad.abs().sum(dim=-1).count_nonzero() > 1
    assert rgb.grad.abs().sum(dim=-1).count_nonzero() > 1


def test_some_training_videos_are_fused_without_rgb():
    torch.manual_seed(0)
    settings = CgafSettings(heads=2, hidden=32, dropout=0.0, drop_rgb=0.5)
    fusion = CrossGlossFusion(16, settings)
    pose, rgb, real = torch.randn(64, 4, 16), torch.randn(64, 4, 16), torch.ones(64, 4).bool()
    fused = fusion(pose, rgb, real)
    fusion.eval()
    whole, without = fusion(pose, rgb, real), fusion(pose, torch.zeros_like(rgb), real)
    is_whole, is_without = (
        torch.isclose(fused, other, atol=1e-5).all(dim=(1, 2)) for other in (whole, without)
    )
    # Each video is fused in one of the two ways, all of its tokens alike.
    assert (is_whole ^ is_without).all()
    assert 16 < is_without.sum() < 48


def attention(sampling):
    torch.manual_seed(0)
    return CrossGlossAttention(8, 3, CgafSettings(heads=2, sampling=sampling))


def test_attention_is_the_double_loop():
    generator = torch.Generator().manual_seed(0)
    queries, keys, values = (torch.randn(2, 4, 3, 5, generator=generator) for _ in range(3))
    tokens = torch.randint(0, 4, (2, 4, 3, 6, 2), generator=generator)  # some twice
    samples = Samples(tokens, torch.rand(tokens.shape, generator=generator))
    found = attend_to_samples(queries, keys, values, samples)
    for video in range(2):
        for token in range(4):
            for head in range(3):
                looked_at = video, token, head
                shares = samples.weights[looked_at][..., None]
                key, value = (
                    (stream[video, tokens[looked_at], head] * shares).sum(dim=-2)
                    for stream in (keys, values)
                )
                expected = (key @ queries[looked_at] / math.sqrt(5)).softmax(0) @ value
                torch.testing.assert_close(found[looked_at], expected)


def test_the_method_as_written_asks_with_the_own_stream():
    """Offsets and queries follow the own tokens; keys and values the other stream's."""
    layer = attention("exact")
    own, other, num_real = torch.randn(1, 6, 8), torch.randn(1, 6, 8), torch.tensor([6])
    query = layer.query(own)
    positions = neighbour_positions(layer.offsets(query).reshape(1, 6, 2, 3), num_real)
    keys, values = layer.key(other)[0], layer.value(other)[0]
    expected = torch.zeros(6, 8)
    for token in range(6):
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            scores, sampled = [], []
            for position in positions[0, token, head].tolist():
                first, fraction = int(position), position - int(position)
                key, value = (
                    (1 - fraction) * stream[first, part] + fraction * stream[first + 1, part]
                    for stream in (keys, values)
                )
                scores.append(query[0, token, part] @ key / 2)
                sampled.append(value)
            weights = torch.stack(scores).softmax(0)
            expected[token, part] = weights @ torch.stack(sampled)
    torch.testing.assert_close(layer(own, other, num_real)[0], layer.output(expected))


@pytest.mark.parametrize("sampling", ["published", "exact"])
def test_what_is_padded_in_the_other_stream_is_not_read_exactly(sampling):
    layer = attention(sampling)
    own, other, num_real = torch.randn(1, 6, 8), torch.randn(1, 6, 8), torch.tensor([3])
    changed = other.clone()
    changed[:, 3:] += 1
    same = torch.allclose(
        layer(own, other, num_real)[:, :3], layer(own, changed, num_real)[:, :3], atol=1e-6
    )
    assert same


def test_a_layer_keeps_its_input_when_it_finds_nothing():
    layer = CrossGlossLayer(8, 3, CgafSettings(heads=2, hidden=16)).eval()
    for last in (layer.attention.output, layer.contract):
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)
    own = torch.randn(2, 6, 8)
    assert torch.equal(layer(own, torch.randn(2, 6, 8), torch.tensor([6, 2])), own)


def by_grid_sample(values, positions):
    """The published way, head by head: an image one pixel high, sampled at its lower edge."""
    num_tokens = values.shape[1]
    x = positions / (num_tokens - 1) * 2 - 1
    grid = torch.stack([x, torch.ones_like(x)], dim=-1)  # video token head neighbour 2
    found = [
        grid_sample(
            values[:, :, head].transpose(1, 2)[:, :, None],
            grid[:, :, head],
            mode="bilinear",
            padding_mode="zeros",
            align_corners=False,
        )  # video dim token neighbour
        for head in range(values.shape[2])
    ]
    return torch.stack(found, dim=2).permute(0, 3, 2, 4, 1)


def sampled(values, samples):
    """Vector by vector: the weights of the tokens beside every position, added up."""
    of_video = torch.arange(values.shape[0])[:, None, None, None, None]
    of_head = torch.arange(values.shape[2])[:, None, None]
    return (values[of_video, samples.tokens, of_head] * samples.weights[..., None]).sum(dim=-2)


@pytest.mark.parametrize("num_tokens", [2, 6, 65])
def test_published_sampling_is_grid_sample(num_tokens):
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(2, num_tokens, 3, 4, generator=generator, requires_grad=True)
    positions = torch.rand(2, num_tokens, 3, 5, generator=generator) * (num_tokens - 1)
    positions.requires_grad_()
    found = sampled(values, sample_published(positions, num_tokens))
    expected = by_grid_sample(values, positions)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    weights = torch.randn(found.shape, generator=generator)
    for ours, theirs in zip(
        torch.autograd.grad((found * weights).sum(), (values, positions)),
        torch.autograd.grad((expected * weights).sum(), (values, positions)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_exact_sampling_interpolates_between_tokens():
    values = torch.tensor([0.0, 10.0, 20.0, 40.0]).reshape(1, 4, 1, 1)
    positions = torch.tensor([0.0, 1.5, 2.25, 3.0]).reshape(1, 4, 1, 1)
    assert sampled(values, sample_exact(positions, 4)).flatten().tolist() == [0, 15, 25, 40]


def test_places_stay_among_the_real_tokens():
    offsets = torch.randn(2, 9, 3, 5) * 20
    positions = neighbour_positions(offsets, torch.tensor([9, 4]))
    assert (positions >= 0).all()
    assert (positions[0] < 8).all()
    assert (positions[1] < 3).all()


def test_a_window_lies_around_its_token():
    positions = neighbour_positions(torch.zeros(1, 9, 1, 5), torch.tensor([9]))
    assert positions[0, 4, 0].tolist() == [1, 2, 3, 4, 5]
    assert positions[0, 0, 0].tolist() == [5, 6, 7, 0, 1]
    three = neighbour_positions(torch.zeros(1, 9, 1, 3), torch.tensor([9]))
    assert three[0, 4, 0].tolist() == [2, 3, 4]
