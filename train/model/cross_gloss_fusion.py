"""Pose and RGB tokens become fusion tokens: two mirrored branches and a joining perceptron.

SEDS (arXiv 2407.16394), cross gloss attention fusion (CGAF).
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from train.model.cross_gloss_attention import NORM_EPSILON, CrossGlossLayer
from train.model.stream_transformer import quick_gelu
from train.model_settings import CgafSettings

JOINED_NORM_EPSILON = 1e-12


def sinusoidal_positions(num_tokens: int, dim: int) -> Float[Tensor, "token dim"]:
    """Sine and cosine of the place at geometrically falling frequencies, in turns.

    Equation 10; Vaswani et al. (arXiv 1706.03762), section 3.5.
    """
    places = torch.arange(num_tokens)[:, None]
    frequencies = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000) / dim))
    angles = places * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


class JoiningPerceptron(nn.Module):
    """Three linear layers over both streams side by side, with a shortcut around them."""

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
        """One token for every pair. Equation 11."""
        hidden = quick_gelu(self.expand(torch.cat([pose, rgb], dim=-1)))
        return self.norm(self.join(quick_gelu(self.contract(hidden))) + pose + rgb)


class CrossGlossFusion(nn.Module):
    """The whole of CGAF."""

    def __init__(self, dim: int, settings: CgafSettings) -> None:
        """``dim`` features a token."""
        super().__init__()
        layers = [
            [CrossGlossLayer(dim, count, settings) for count in settings.neighbours]
            for _ in ("pose", "rgb")
        ]
        self.pose_layers, self.rgb_layers = (nn.ModuleList(branch) for branch in layers)
        self.pose_norm = nn.LayerNorm(dim, eps=NORM_EPSILON)
        self.rgb_norm = nn.LayerNorm(dim, eps=NORM_EPSILON)
        self.perceptron = JoiningPerceptron(dim, settings.hidden)

    def forward(
        self,
        pose: Float[Tensor, "video token dim"],
        rgb: Float[Tensor, "video token dim"],
        token_is_real: Bool[Tensor, "video token"],
    ) -> Float[Tensor, "video token dim"]:
        """Fusion tokens; both branches of a layer read the other's input of that layer.

        Equation 12.
        """
        num_real = token_is_real.sum(dim=-1)
        positions = sinusoidal_positions(*pose.shape[1:]).to(pose)
        of_pose, of_rgb = pose + positions, rgb + positions
        for pose_layer, rgb_layer in zip(self.pose_layers, self.rgb_layers, strict=True):
            of_pose, of_rgb = (
                pose_layer(of_pose, of_rgb, num_real),
                rgb_layer(of_rgb, of_pose, num_real),
            )
        return self.perceptron(self.pose_norm(of_pose), self.rgb_norm(of_rgb)) + pose + rgb
