"""Results of a batch's videos, piece by piece, where what lies in between would need much memory.

The scores of a large batch are small, but they are made of all token similarities, (video, text,
token, word), and autograd keeps several arrays of that size for each stream and direction. A piece
keeps none: the backward pass computes it once more (gradient checkpointing: Chen et al. 2016, arXiv
1604.06174).
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

KEPT_BYTES = 2**25
"""An array up to this size is kept for the backward pass; larger ones are made in pieces of it."""


def rows_in_pieces(
    result: Callable[[Tensor, Tensor], Tensor],
    signs: Float[Tensor, "video token dim"],
    token_is_real: Bool[Tensor, "video token"],
    *,
    values_per_row: int,
) -> Float[Tensor, "video ..."]:
    """``result(signs, token_is_real)``, one row a video that depends on no other row of the two.

    ``values_per_row`` are the numbers of the largest array inside ``result``, for one video. Values
    and gradients are those of one call; nothing random may happen inside.
    """
    num_rows = KEPT_BYTES // (values_per_row * signs.element_size())
    if len(signs) <= num_rows:
        return result(signs, token_is_real)
    pieces = zip(
        *(torch.split(rows, max(1, num_rows)) for rows in (signs, token_is_real)), strict=True
    )
    return torch.cat(
        [
            checkpoint(result, *piece, use_reentrant=False, preserve_rng_state=False)
            for piece in pieces
        ]
    )
