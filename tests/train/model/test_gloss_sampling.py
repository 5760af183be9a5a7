import pytest
import torch
from torch.nn.functional import grid_sample

from train.model.gloss_sampling import neighbour_places, sample_exact, sample_published


def by_grid_sample(values, places):
    """The published way, head by head: an image one pixel high, sampled at its lower edge."""
    num_tokens = values.shape[1]
    x = places / (num_tokens - 1) * 2 - 1
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
    """Vector by vector: the shares of the tokens beside every place, added up."""
    of_video = torch.arange(values.shape[0])[:, None, None, None, None]
    of_head = torch.arange(values.shape[2])[:, None, None]
    return (values[of_video, samples.tokens, of_head] * samples.shares[..., None]).sum(dim=-2)


@pytest.mark.parametrize("num_tokens", [2, 6, 65])
def test_published_sampling_is_grid_sample(num_tokens):
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(2, num_tokens, 3, 4, generator=generator, requires_grad=True)
    places = torch.rand(2, num_tokens, 3, 5, generator=generator) * (num_tokens - 1)
    places.requires_grad_()
    found = sampled(values, sample_published(places, num_tokens))
    expected = by_grid_sample(values, places)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    weights = torch.randn(found.shape, generator=generator)
    for ours, theirs in zip(
        torch.autograd.grad((found * weights).sum(), (values, places)),
        torch.autograd.grad((expected * weights).sum(), (values, places)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_exact_sampling_interpolates_between_tokens():
    values = torch.tensor([0.0, 10.0, 20.0, 40.0]).reshape(1, 4, 1, 1)
    places = torch.tensor([0.0, 1.5, 2.25, 3.0]).reshape(1, 4, 1, 1)
    assert sampled(values, sample_exact(places, 4)).flatten().tolist() == [0, 15, 25, 40]


def test_places_stay_among_the_real_tokens():
    offsets = torch.randn(2, 9, 3, 5) * 20
    places = neighbour_places(offsets, torch.tensor([9, 4]))
    assert (places >= 0).all()
    assert (places[0] < 8).all()
    assert (places[1] < 3).all()


def test_a_window_lies_around_its_token():
    places = neighbour_places(torch.zeros(1, 9, 1, 5), torch.tensor([9]))
    assert places[0, 4, 0].tolist() == [1, 2, 3, 4, 5]
    assert places[0, 0, 0].tolist() == [5, 6, 7, 0, 1]
    three = neighbour_places(torch.zeros(1, 9, 1, 3), torch.tensor([9]))
    assert three[0, 4, 0].tolist() == [2, 3, 4]
