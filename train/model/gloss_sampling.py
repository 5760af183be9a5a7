"""Where a token of cross gloss attention looks, and which tokens' values it finds there.

Symbols: t = token, n = neighbour, K = neighbours, h = head, L = tokens of the padded tensor, R =
real tokens of a video (class token included), x = what is sampled.
"""

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor


class Samples(NamedTuple):
    """A place between two tokens holds a share of each: what is found there is their sum.

    Whoever wants a product with what is found multiplies the tokens first, and then takes shares of
    the products: a number instead of a vector for every neighbour.
    """

    tokens: Int64[Tensor, "video token head neighbour side=2"]
    """The tokens beside each place."""
    shares: Float[Tensor, "video token head neighbour side=2"]
    """How much of each; nothing of those before the first and after the last token."""


def neighbour_places(
    offsets: Float[Tensor, "video token head neighbour"], num_real: Int64[Tensor, " video"]
) -> Float[Tensor, "video token head neighbour"]:
    """Place of every token's n-th neighbour: (t + n - ceil(K/2) + offset) mod (R - 1).

    A window around the token, moved by learned offsets. Equation 6; SEDS (arXiv 2407.16394), CGAF.
    """
    num_tokens, num_neighbours = offsets.shape[1], offsets.shape[3]
    tokens = torch.arange(num_tokens, device=offsets.device)
    window = torch.arange(num_neighbours, device=offsets.device) - -(-num_neighbours // 2)
    # Half precision would not tell neighbouring places apart.
    offsets = offsets.to(torch.promote_types(offsets.dtype, torch.float32))
    places = rearrange(tokens, "t -> t 1 1") + window + offsets
    return torch.remainder(places, rearrange(num_real - 1, "b -> b 1 1 1"))


def sample_exact(places: Float[Tensor, "video token head neighbour"], num_tokens: int) -> Samples:
    """Linear interpolation between the tokens beside a place: (1 - a) x_floor + a x_(floor + 1).

    Equation 7.
    """
    before = places.floor()
    share, first = places - before, before.long()
    tokens = torch.stack([first, first + 1], dim=-1)
    shares = torch.stack([1 - share, share], dim=-1)
    exists = (tokens >= 0) & (tokens < num_tokens)
    return Samples(tokens.clamp(0, num_tokens - 1), shares * exists)


def sample_published(
    places: Float[Tensor, "video token head neighbour"], num_tokens: int
) -> Samples:
    """What the published code finds: half the value, half a token away.

    It asks ``grid_sample`` for pixels of an image one pixel high with ``align_corners=False`` and
    coordinates made for ``align_corners=True``: place p falls on p L / (L - 1) - 1/2, and the row
    on the image's lower edge, where half of every value is the zeros outside. Equation 8.
    """
    tokens, shares = sample_exact(places * (num_tokens / (num_tokens - 1)) - 0.5, num_tokens)
    return Samples(tokens, 0.5 * shares)
