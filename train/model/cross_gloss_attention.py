"""Attention of one stream's tokens to a few places of the other stream, found by learned offsets.

SEDS (arXiv 2407.16394), cross gloss attention fusion (CGAF).
"""

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from train.model.gloss_sampling import neighbour_places, sample_exact, sample_published
from train.model_settings import CgafSettings

NORM_EPSILON = 1e-6


def attend_to_places(
    queries: Float[Tensor, "video token head dim"],
    keys: Float[Tensor, "video token head neighbour dim"],
    values: Float[Tensor, "video token head neighbour dim"],
) -> Float[Tensor, "video token head dim"]:
    """Softmax over the K neighbours of q.k / sqrt(c), then the weighted sum of v. Equation 9."""
    scores = einsum(queries, keys, "b t h c, b t h n c -> b t h n") * queries.shape[-1] ** -0.5
    return einsum(scores.softmax(dim=-1), values, "b t h n, b t h n c -> b t h c")


class CrossGlossAttention(nn.Module):
    """The attention with its projections and offsets."""

    def __init__(self, dim: int, num_neighbours: int, settings: CgafSettings) -> None:
        """``dim`` features a token, divided among the heads."""
        super().__init__()
        self.num_heads = settings.heads
        self.sampling = settings.sampling
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.offsets = nn.Linear(dim, settings.heads * num_neighbours)
        self.output = nn.Linear(dim, dim)

    def forward(
        self,
        own: Float[Tensor, "video token dim"],
        other: Float[Tensor, "video token dim"],
        num_real: Int64[Tensor, " video"],
    ) -> Float[Tensor, "video token dim"]:
        """What the own stream's tokens find in the other stream."""
        published = self.sampling == "published"
        # The method as written asks with the own stream and reads the other one. The published code
        # passes its arguments in swapped order, so that its weights ask with the other stream and
        # compare with keys of the own one.
        asking, compared = (other, own) if published else (own, other)
        query = self.query(asking)
        heads = "b t (h c) -> b t h c"
        places = neighbour_places(rearrange(self.offsets(query), heads, h=self.num_heads), num_real)
        sample = sample_published if published else sample_exact
        found = attend_to_places(
            rearrange(query, heads, h=self.num_heads),
            sample(rearrange(self.key(compared), heads, h=self.num_heads), places),
            sample(rearrange(self.value(other), heads, h=self.num_heads), places),
        )
        return self.output(rearrange(found, "b t h c -> b t (h c)"))


class CrossGlossLayer(nn.Module):
    """Cross gloss attention and a perceptron, each with a shortcut."""

    def __init__(self, dim: int, num_neighbours: int, settings: CgafSettings) -> None:
        """One layer of one branch."""
        super().__init__()
        self.own_norm = nn.LayerNorm(dim, eps=NORM_EPSILON)
        self.attention = CrossGlossAttention(dim, num_neighbours, settings)
        self.perceptron_norm = nn.LayerNorm(dim, eps=NORM_EPSILON)
        self.expand = nn.Linear(dim, settings.hidden)
        self.contract = nn.Linear(settings.hidden, dim)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(
        self,
        own: Float[Tensor, "video token dim"],
        other: Float[Tensor, "video token dim"],
        num_real: Int64[Tensor, " video"],
    ) -> Float[Tensor, "video token dim"]:
        """The own stream's tokens after the layer."""
        own = own + self.dropout(self.attention(self.own_norm(own), other, num_real))
        hidden = self.dropout(torch.relu(self.expand(self.perceptron_norm(own))))
        return own + self.dropout(self.contract(hidden))
