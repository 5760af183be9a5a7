"""The graphs over a hand's and a body's points, and over their parts.

Edges fall into K = 4 subsets: a point itself, towards the centre, away from it, and sideways to a
point at the same distance from the centre. The partition is that of ST-GCN (arXiv
1801.07455) with sideways edges kept apart.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

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
    # joins the right arm to the head not at all; published weights have learned it so.
    part_graph=SkeletonGraph(
        parents=(None, None, None), sideways=((0, 1),), counted_only=((0, 2),)
    ),
)
"""Points: nose, then shoulder, elbow and wrist of the left and of the right arm; parts: left arm,
right arm, head."""
