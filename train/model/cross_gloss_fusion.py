"""Cross gloss attention fusion (CGAF): pose and RGB tokens become fusion tokens.

Two mirrored branches attend to a few tokens of the other stream, at positions found by learned
offsets; an MLP joins them. SEDS (arXiv 2407.16394).
"""

import math

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from train.model.gloss_sampling import (
    Samples,
    neighbour_positions,
    sample_exact,
    sample_published,
)
from train.model.normalisation import Dropout
from train.model.stream_transformer import quick_gelu
from train.settings import CgafSettings

NORM_EPSILON = 1e-6
JOINED_NORM_EPSILON = 1e-12


def attend_to_samples(
    queries: Float[Tensor, "video token head dim"],
    keys: Float[Tensor, "video token head dim"],
    values: Float[Tensor, "video token head dim"],
    samples: Samples,
) -> Float[Tensor, "video token head dim"]:
    """Softmax over the K neighbours of q.k / sqrt(c), then the weighted sum of v. Equation 9.

    k and v are the samples of ``keys`` and ``values``.
    """
    of_tokens = weights_of_tokens(queries, keys, samples)
    return einsum(of_tokens.to(values.dtype), values, "b t h u, b u h c -> b t h c")


def weights_of_tokens(
    queries: Float[Tensor, "video token head dim"],
    keys: Float[Tensor, "video token head dim"],
    samples: Samples,
) -> Float[Tensor, "video token head token"]:
    """How much each token takes from each token of the other stream.

    No sample is computed by itself: q is multiplied with the keys of all tokens, and the softmax's
    weights are added up on the tokens.
    """
    products = einsum(queries, keys, "b t h c, b u h c -> b t h u")
    # A position's product is that of the tokens on both sides of it, weighted and summed.
    tokens, parts = (rearrange(side, "b t h n s -> b t h (n s)") for side in samples)
    sampled = rearrange(products.gather(-1, tokens) * parts, "b t h (n s) -> b t h n s", s=2)
    scores = sampled.sum(dim=-1) * queries.shape[-1] ** -0.5
    weights = repeat(scores.softmax(dim=-1), "b t h n -> b t h (n s)", s=2) * parts
    # Several neighbours may lie beside one token: what they give it adds up.
    return torch.zeros_like(products, dtype=weights.dtype).scatter_add(-1, tokens, weights)


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
        """Returns what the own stream's tokens find in the other stream."""
        queries, keys, samples = self._asked(own, other, num_real)
        values = rearrange(self.value(other), "b t (h c) -> b t h c", h=self.num_heads)
        found = attend_to_samples(queries, keys, values, samples)
        return self.output(rearrange(found, "b t h c -> b t (h c)"))

    def weights(
        self,
        own: Float[Tensor, "video token dim"],
        other: Float[Tensor, "video token dim"],
        num_real: Int64[Tensor, " video"],
    ) -> Float[Tensor, "video token head token"]:
        """Returns how much each own token takes from each token of the other stream, by head.

        With sampling ``published`` the weights of a token add up to a half at most.
        """
        return weights_of_tokens(*self._asked(own, other, num_real))

    def _asked(
        self,
        own: Float[Tensor, "video token dim"],
        other: Float[Tensor, "video token dim"],
        num_real: Int64[Tensor, " video"],
    ) -> tuple[Tensor, Tensor, Samples]:
        """Queries and keys by head, and where each token looks."""
        published = self.sampling == "published"
        # In the paper, queries come from the own stream, keys and values from the other one. The
        # published code swaps its arguments: its weights take queries from the other stream and
        # keys from the own one.
        asking, compared = (other, own) if published else (own, other)
        query = self.query(asking)
        heads = "b t (h c) -> b t h c"
        offsets = rearrange(self.offsets(query), heads, h=self.num_heads)
        positions = neighbour_positions(offsets, num_real)
        sample = sample_published if published else sample_exact
        return (
            rearrange(query, heads, h=self.num_heads),
            rearrange(self.key(compared), heads, h=self.num_heads),
            sample(positions, num_tokens=own.shape[1]),
        )


class CrossGlossLayer(nn.Module):
    """Cross gloss attention and an MLP, each with a residual connection."""

    def __init__(self, dim: int, num_neighbours: int, settings: CgafSettings) -> None:
        super().__init__()
        self.own_norm = nn.LayerNorm(dim, eps=NORM_EPSILON)
        self.attention = CrossGlossAttention(dim, num_neighbours, settings)
        self.perceptron_norm = nn.LayerNorm(dim, eps=NORM_EPSILON)
        self.expand = nn.Linear(dim, settings.hidden)
        self.contract = nn.Linear(settings.hidden, dim)
        self.dropout = Dropout(settings.dropout)

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


def sinusoidal_positions(num_tokens: int, dim: int) -> Float[Tensor, "token dim"]:
    """Sine and cosine of the position at geometrically falling frequencies, in turns.

    Equation 10; Vaswani et al. (arXiv 1706.03762), section 3.5.
    """
    positions = torch.arange(num_tokens)[:, None]
    frequencies = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000) / dim))
    angles = positions * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


class JoiningMlp(nn.Module):
    """Three linear layers over both streams side by side, with a residual connection."""

    def __init__(self, dim: int, hidden: int) -> None:
        """Published: 1024 - 2048 - 1024 - 512."""
        super().__init__()
        self.expand = nn.Linear(2 * dim, hidden)
        self.contract = nn.Linear(hidden, 2 * dim)
        self.join = nn.Linear(2 * dim, dim)
        self.norm = nn.LayerNorm(dim, eps=JOINED_NORM_EPSILON)

    def forward(
        self, pose: Float[Tensor, "video token dim"], rgb: Float[Tensor, "video token dim"]
    ) -> Float[Tensor, "video token dim"]:
        """Returns one token for every pair. Equation 11."""
        hidden = quick_gelu(self.expand(torch.cat([pose, rgb], dim=-1)))
        return self.norm(self.join(quick_gelu(self.contract(hidden))) + pose + rgb)


class CrossGlossFusion(nn.Module):
    """Both branches of CGAF and the MLP that joins them."""

    def __init__(self, dim: int, settings: CgafSettings) -> None:
        super().__init__()
        layers = [
            [CrossGlossLayer(dim, count, settings) for count in settings.neighbours]
            for _ in ("pose", "rgb")
        ]
        self.pose_layers, self.rgb_layers = (nn.ModuleList(branch) for branch in layers)
        self.pose_norm = nn.LayerNorm(dim, eps=NORM_EPSILON)
        self.rgb_norm = nn.LayerNorm(dim, eps=NORM_EPSILON)
        self.perceptron = JoiningMlp(dim, settings.hidden)
        self.drop_rgb = settings.drop_rgb

    def forward(
        self,
        pose: Float[Tensor, "video token dim"],
        rgb: Float[Tensor, "video token dim"],
        token_is_real: Bool[Tensor, "video token"],
    ) -> Float[Tensor, "video token dim"]:
        """Fusion tokens; both branches of a layer read the other's input of that layer.

        Equation 12.
        """
        if self.training and self.drop_rgb:
            # Not scaled up: what the fusion makes of one stream must hold beside the other, too.
            rgb = rgb * (torch.rand(len(rgb), 1, 1, device=rgb.device) >= self.drop_rgb)
        # Real tokens come first in each video.
        num_real = token_is_real.sum(dim=-1)
        positions = sinusoidal_positions(*pose.shape[1:]).to(pose)
        of_pose, of_rgb = pose + positions, rgb + positions
        for pose_layer, rgb_layer in zip(self.pose_layers, self.rgb_layers, strict=True):
            of_pose, of_rgb = (
                pose_layer(of_pose, of_rgb, num_real),
                rgb_layer(of_rgb, of_pose, num_real),
            )
        return self.perceptron(self.pose_norm(of_pose), self.rgb_norm(of_rgb)) + pose + rgb
