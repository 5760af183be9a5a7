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
    """What is found at a position between two tokens: the sum of both, weighted.

    To multiply a sample with a vector, multiply the tokens first and weight the products: that
    takes a number instead of a vector for every neighbour.
    """

    tokens: Int64[Tensor, "video token head neighbour side=2"]
    """The tokens beside each position."""
    weights: Float[Tensor, "video token head neighbour side=2"]
    """Of each; zero before the first and after the last token."""


def neighbour_positions(
    offsets: Float[Tensor, "video token head neighbour"], num_real: Int64[Tensor, " video"]
) -> Float[Tensor, "video token head neighbour"]:
    """Position of every token's n-th neighbour: (t + n - ceil(K/2) + offset) mod (R - 1).

    A window around the token, moved by learned offsets. Equation 6; SEDS (arXiv 2407.16394), CGAF.
    """
    num_tokens, num_neighbours = offsets.shape[1], offsets.shape[3]
    tokens = torch.arange(num_tokens, device=offsets.device)
    window = torch.arange(num_neighbours, device=offsets.device) - -(-num_neighbours // 2)
    # Half precision would not tell neighbouring positions apart.
    offsets = offsets.to(torch.promote_types(offsets.dtype, torch.float32))
    positions = rearrange(tokens, "t -> t 1 1") + window + offsets
    # Unlike fmod it is never negative: positions before the first token come back at the end.
    return torch.remainder(positions, rearrange(num_real - 1, "b -> b 1 1 1"))


def sample_exact(
    positions: Float[Tensor, "video token head neighbour"], num_tokens: int
) -> Samples:
    """Interpolates between the tokens beside a position: (1 - a) x_floor + a x_(floor + 1).

    Equation 7.
    """
    before = positions.floor()
    fraction, first = positions - before, before.long()
    tokens = torch.stack([first, first + 1], dim=-1)
    weights = torch.stack([1 - fraction, fraction], dim=-1)
    # A token beyond the ends weighs nothing; its index is clamped so that it can be gathered.
    exists = (tokens >= 0) & (tokens < num_tokens)
    return Samples(tokens.clamp(0, num_tokens - 1), weights * exists)


def sample_published(
    positions: Float[Tensor, "video token head neighbour"], num_tokens: int
) -> Samples:
    """Samples as the published code does: half the value, half a token away.

    It asks ``grid_sample`` for pixels of an image one pixel high with ``align_corners=False`` and
    coordinates made for ``align_corners=True``: position p falls on p L / (L - 1) - 1/2, and the
    row on the image's lower edge, where half of every value is the zeros outside. Equation 8.
    """
    tokens, weights = sample_exact(positions * (num_tokens / (num_tokens - 1)) - 0.5, num_tokens)
    return Samples(tokens, 0.5 * weights)
