"""One block of a spatial graph network over the points of a skeleton."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from train.model.dropout import Dropout
from train.model.graph_convolution import GraphConvolution
from train.model.skeleton_graphs import SkeletonGraph, adjacency


class PointNorm(nn.BatchNorm1d):
    """Batch norm of channels over all points of all rows: (row, joint, channel) in and out."""

    def forward(self, features: Float[Tensor, "row joint dim"]) -> Float[Tensor, "row joint dim"]:
        """Normalised features."""
        flat = super().forward(rearrange(features, "n v c -> (n v) c"))
        return rearrange(flat, "(n v) c -> n v c", v=features.shape[1])


class GraphBlock(nn.Module):
    """Graph convolution, then a 1x1 convolution, each normalised, with a shortcut around both."""

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        graph: SkeletonGraph,
        dropout: float,
        *,
        has_shortcut: bool = True,
    ) -> None:
        """A shortcut is the identity where sizes agree, and a 1x1 convolution where not."""
        super().__init__()
        self.message = GraphConvolution(in_dim, out_dim, adjacency(graph))
        self.message_norm = PointNorm(out_dim)
        self.mix = nn.Linear(out_dim, out_dim)
        self.mix_norm = PointNorm(out_dim)
        self.dropout = Dropout(dropout)
        self.has_shortcut = has_shortcut
        self.shortcut = (
            nn.Sequential(nn.Linear(in_dim, out_dim), PointNorm(out_dim))
            if has_shortcut and in_dim != out_dim
            else nn.Identity()
        )

    def forward(self, features: Float[Tensor, "row joint _dim"]) -> Float[Tensor, "row joint _dim"]:
        """Features of the same points."""
        # A ReLU last and in place: the backward pass keeps its output and nothing before it.
        hidden = self.dropout(self.message_norm(self.message(features))).relu_()
        hidden = self.dropout(self.mix_norm(self.mix(hidden)))
        if self.has_shortcut:
            hidden += self.shortcut(features)
        return hidden.relu_()
