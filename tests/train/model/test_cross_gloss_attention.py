import math

import pytest
import torch

from train.model.cross_gloss_fusion import CrossGlossAttention, CrossGlossLayer, attend_to_samples
from train.model.gloss_sampling import Samples, neighbour_places
from train.settings import CgafSettings


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
                shares = samples.shares[looked_at][..., None]
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
    places = neighbour_places(layer.offsets(query).reshape(1, 6, 2, 3), num_real)
    keys, values = layer.key(other)[0], layer.value(other)[0]
    expected = torch.zeros(6, 8)
    for token in range(6):
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            scores, sampled = [], []
            for place in places[0, token, head].tolist():
                first, share = int(place), place - int(place)
                key, value = (
                    (1 - share) * stream[first, part] + share * stream[first + 1, part]
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
