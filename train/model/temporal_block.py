"""One convolution block over time."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

REACH = 2
"""Frames to each side that an output of the block sees."""


class TemporalBlock(nn.Module):
    """A width-5 convolution beside two of width 3, joined by a 1x1 convolution.

    Time is padded with zeros at both ends. Equation 4; SEDS (arXiv 2407.16394), pose encoder.
    """

    def __init__(self, dim: int) -> None:
        """``dim`` channels in and out."""
        super().__init__()
        self.wide = nn.Conv1d(dim, dim, 5, padding=2)
        # One after the other, these two see as many frames as the wide one.
        self.narrow_first = nn.Conv1d(dim, dim, 3, padding=1)
        self.narrow_second = nn.Conv1d(dim, dim, 3, padding=1)
        self.join = nn.Conv1d(2 * dim, dim, 1)
        self.norm = nn.BatchNorm1d(dim)

    def forward(self, features: Float[Tensor, "row dim frame"]) -> Float[Tensor, "row dim frame"]:
        """Features of the same frames."""
        narrow = self.narrow_second(self.narrow_first(features).relu_())
        branches = torch.cat([self.wide(features), narrow], dim=1).relu_()
        return self.norm(self.join(branches)).relu_()
