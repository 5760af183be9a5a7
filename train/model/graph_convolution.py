"""Graph convolution over the points of a hand and of the body, and over their parts.

Edges fall into K = 4 subsets: from a point to itself, towards the centre, away from it, and
sideways to a point at the same distance from the centre. The partition is that of ST-GCN (arXiv
1801.07455) with sideways edges kept apart.
"""

from dataclasses import dataclass

import numpy as np
import torch
from einops import einsum, rearrange
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn.functional import linear

from train.model.normalisation import Dropout, PointNorm

NUM_SUBSETS = 4

FINGERS = tuple(range(1, 21, 4))
"""First joint of each finger of a hand whose wrist is point 0."""


@dataclass(frozen=True)
class SkeletonGraph:
    """A tree of points around a centre, with sideways edges between branches."""

    parents: tuple[int | None, ...]
    """The neighbour of each point that is nearer to the centre; ``None`` for the centre."""
    sideways: tuple[tuple[int, int], ...]
    """Pairs of neighbours at the same distance from the centre."""
    counted_only: tuple[tuple[int, int], ...] = ()
    """Edges that count in the normalisation and carry nothing."""


@dataclass(frozen=True)
class Skeleton:
    """A hand's or a body's points, the parts they form, and the graphs over both."""

    points: SkeletonGraph
    parts: tuple[tuple[int, ...], ...]
    part_graph: SkeletonGraph


def adjacency(graph: SkeletonGraph) -> Float64[np.ndarray, "subset=4 joint joint"]:
    """The stack A: ``A[k, v, w]`` weighs what point w receives from its k-neighbour v.

    Every column of the sum over k is divided by the number of its point's edges, itself included.
    Equation 1.
    """
    count = len(graph.parents)
    edges = np.zeros((NUM_SUBSETS, count, count))
    edges[0] = np.eye(count)
    for child, parent in enumerate(graph.parents):
        if parent is not None:
            # Towards the centre, what the parent receives; away from it, what the child does.
            edges[1, child, parent] = edges[2, parent, child] = 1
    for one, other in graph.sideways:
        edges[3, one, other] = edges[3, other, one] = 1
    degree = edges.sum((0, 1))
    for one, other in graph.counted_only:
        degree[[one, other]] += 1
    return edges / degree


HAND = Skeleton(
    points=SkeletonGraph(
        parents=(None, *(0 if point in FINGERS else point - 1 for point in range(1, 21))),
        sideways=tuple((point, point + 4) for point in range(1, 17)),
    ),
    parts=(
        *(tuple(range(first + 1, first + 4)) for first in FINGERS),
        (0, *FINGERS),
    ),
    part_graph=SkeletonGraph(
        parents=(5, 5, 5, 5, 5, None), sideways=((0, 1), (1, 2), (2, 3), (3, 4))
    ),
)
"""Points in COCO-WholeBody order; parts: thumb, index, middle, ring, little finger, palm."""

BODY = Skeleton(
    points=SkeletonGraph(
        parents=(None, 0, 1, 2, 0, 4, 5),
        sideways=((1, 4), (2, 5), (3, 6)),
    ),
    parts=((1, 2, 3), (4, 5, 6), (0,)),
    # The published graph counts the edge between the left arm and the head and then drops it, and
    # does not join the right arm to the head at all; published weights are trained so.
    part_graph=SkeletonGraph(
        parents=(None, None, None), sideways=((0, 1),), counted_only=((0, 2),)
    ),
)
"""Points: nose, then shoulder, elbow and wrist of the left and of the right arm; parts: left arm,
right arm, head."""


class GraphConvolution(nn.Linear):
    """Sum over subsets k of A_k applied to W_k x. Equation 2; ST-GCN (arXiv 1801.07455).

    The weights hold the subsets one after another: output = subset x dim. Most points of a subset
    send nothing or receive nothing, so that products of a few rows with W_k suffice.
    """

    edges: Tensor
    gather: Tensor
    scatter: Tensor

    def __init__(
        self, in_dim: int, out_dim: int, edges: Float64[np.ndarray, "subset joint joint"]
    ) -> None:
        """``edges`` is the stack A: ``edges[k, v, w]`` weighs what w receives from v."""
        super().__init__(in_dim, len(edges) * out_dim)
        gathers, scatters = zip(*(gather_and_scatter(subset) for subset in edges), strict=True)
        self.rows_of_subsets = [len(gather) for gather in gathers]
        matrices = {
            "edges": edges,
            "gather": np.concatenate(gathers),
            "scatter": np.concatenate(scatters, axis=1),
        }
        # They follow from the skeleton, and need no place in checkpoints.
        for name, matrix in matrices.items():
            self.register_buffer(name, torch.from_numpy(matrix).float(), persistent=False)
        # Where all points' input is smaller than one point's output, edges and weights are
        # multiplied into one matrix first.
        self.is_folded = in_dim * edges.shape[1] <= out_dim

    def forward(self, features: Float[Tensor, "row joint _dim"]) -> Float[Tensor, "row joint _dim"]:
        """Returns features of the same points."""
        weights = rearrange(self.weight, "(k o) c -> k o c", k=len(self.edges))
        biases = rearrange(self.bias, "(k o) -> k o", k=len(self.edges))
        bias = einsum(self.edges, biases, "k v w, k o -> w o")
        if self.is_folded:
            folded = einsum(self.edges, weights, "k v w, k o c -> w o v c")
            folded = rearrange(folded, "w o v c -> (w o) (v c)")
            outputs = linear(features.flatten(1), folded, bias.flatten())
            return rearrange(outputs, "n (w o) -> n w o", w=features.shape[1])
        # For each subset, the rows between gathering and scattering. As many rows as points are the
        # points themselves.
        messages = [
            linear(features if rows == features.shape[1] else gather @ features, weight)
            for rows, gather, weight in zip(
                self.rows_of_subsets,
                torch.split(self.gather, self.rows_of_subsets),
                weights.unbind(),
                strict=True,
            )
            if rows
        ]
        scatter = self.scatter.expand(len(features), -1, -1)
        return torch.baddbmm(bias, scatter, torch.cat(messages, dim=1))


def gather_and_scatter(
    edges: Float64[np.ndarray, "joint joint"],
) -> tuple[Float64[np.ndarray, "_part joint"], Float64[np.ndarray, "joint _part"]]:
    """Returns ``gather`` and ``scatter`` with ``scatter @ gather`` the transpose of a subset.

    Their inner rows are the points that send something or those that receive something, whichever
    are fewer.
    """
    identity = np.eye(len(edges))
    sends, receives = edges.any(axis=1), edges.any(axis=0)
    if sends.sum() <= receives.sum():
        return identity[sends], edges[sends].T
    return edges[:, receives].T, identity[:, receives]


class GraphBlock(nn.Module):
    """Graph convolution, then a 1x1 convolution, each normalised, in a residual connection."""

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        graph: SkeletonGraph,
        dropout: float,
        *,
        is_residual: bool = True,
    ) -> None:
        """The residual is the input where sizes agree, and its 1x1 convolution where not."""
        super().__init__()
        self.message = GraphConvolution(in_dim, out_dim, adjacency(graph))
        self.message_norm = PointNorm(out_dim)
        self.mix = nn.Linear(out_dim, out_dim)
        self.mix_norm = PointNorm(out_dim)
        self.dropout = Dropout(dropout)
        self.is_residual = is_residual
        self.shortcut = (
            nn.Sequential(nn.Linear(in_dim, out_dim), PointNorm(out_dim))
            if is_residual and in_dim != out_dim
            else nn.Identity()
        )

    def forward(self, features: Float[Tensor, "row joint _dim"]) -> Float[Tensor, "row joint _dim"]:
        """Returns features of the same points."""
        # A ReLU last and in place: the backward pass keeps its output and nothing before it.
        hidden = self.dropout(self.message_norm(self.message(features))).relu_()
        hidden = self.dropout(self.mix_norm(self.mix(hidden)))
        if self.is_residual:
            hidden += self.shortcut(features)
        return hidden.relu_()
