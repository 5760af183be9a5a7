"""Where a token of cross gloss attention looks, and what it finds there.

Symbols: t = token, n = neighbour, K = neighbours, h = head, c = features of a head, L = tokens of
the padded tensor, R = real tokens of a video (class token included).
"""

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor


def neighbour_places(
    offsets: Float[Tensor, "video token head neighbour"], num_real: Int64[Tensor, " video"]
) -> Float[Tensor, "video token head neighbour"]:
    """Place of every token's n-th neighbour: (t + n - ceil(K/2) + offset) mod (R - 1).

    A window around the token, moved by learned offsets. Equation 6; SEDS (arXiv 2407.16394), CGAF.
    """
    num_tokens, num_neighbours = offsets.shape[1], offsets.shape[3]
    tokens = torch.arange(num_tokens, device=offsets.device)
    window = torch.arange(num_neighbours, device=offsets.device) - -(-num_neighbours // 2)
    places = rearrange(tokens, "t -> t 1 1") + window + offsets.float()
    return torch.remainder(places, rearrange(num_real - 1, "b -> b 1 1 1"))


def sample_exact(
    values: Float[Tensor, "video token head dim"],
    places: Float[Tensor, "video token head neighbour"],
) -> Float[Tensor, "video token head neighbour dim"]:
    """The values at the places, by linear interpolation between the tokens beside them.

    Equation 7.
    """
    before = places.floor()
    share = (places - before)[..., None]
    first = before.long()
    return (1 - share) * _at(values, first) + share * _at(values, first + 1)


def sample_published(
    values: Float[Tensor, "video token head dim"],
    places: Float[Tensor, "video token head neighbour"],
) -> Float[Tensor, "video token head neighbour dim"]:
    """What the published code finds: half the value, half a token away.

    It asks ``grid_sample`` for pixels of an image one pixel high with ``align_corners=False`` and
    coordinates made for ``align_corners=True``: place p falls on p L / (L - 1) - 1/2, and the row
    on the image's lower edge, where half of every value is the zeros outside. Equation 8.
    """
    num_tokens = values.shape[1]
    return 0.5 * sample_exact(values, places * (num_tokens / (num_tokens - 1)) - 0.5)


def _at(
    values: Float[Tensor, "video token head dim"],
    tokens: Int64[Tensor, "video token head neighbour"],
) -> Float[Tensor, "video token head neighbour dim"]:
    """The values of the named tokens, head by head; zeros before the first and after the last."""
    num_tokens = values.shape[1]
    exists = (tokens >= 0) & (tokens < num_tokens)
    of_video = torch.arange(values.shape[0], device=values.device)[:, None, None, None]
    of_head = torch.arange(values.shape[2], device=values.device)[:, None]
    found = values[of_video, tokens.clamp(0, num_tokens - 1), of_head]
    return found * exists[..., None]
