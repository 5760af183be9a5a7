"""Measures the graph convolutions of the pose encoder against the published order of computation.

    python benchmarks/graph_convolution.py

The published order multiplies every point with the weights of all subsets of edges, then sums along
the edges (``reference/training_step.py``). Ours multiplies only what a subset's edges carry. One
trial is a forward and a backward pass of a layer; trials of both take turns in one process.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from measurement import OURS, print_conditions, print_table, ratios, spread, take_turns
from torch import Tensor

from reference.training_step import naive_graph_convolution
from train.model.graph_convolution import BODY, HAND, GraphConvolution, adjacency

PUBLISHED = "published order"


def main() -> None:
    """Prints one row a layer, then all layers together."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--rows", type=int, default=480, help="frames")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))
    print("| layer | published ms | ours ms | times faster | turn by turn | products | apart |")
    print("|---|---|---|---|---|---|---|")
    turns = []
    for name, layer in layers(options.width).items():
        ways = both_ways(layer, options.rows)
        difference = (ways[OURS]() - ways[PUBLISHED]()).abs().max()
        seconds = take_turns(ways, options.turns)
        turns.append(seconds)
        published, ours = (1e3 * statistics.median(seconds[way]) for way in (PUBLISHED, OURS))
        faster = ratios(seconds[PUBLISHED], seconds[OURS])
        print(
            f"| {name} | {published:.1f} | {ours:.1f} | {statistics.median(faster):.2f} "
            f"| {spread(faster)} | {products(layer)} | {difference:.1e} |"
        )
    print("\nAll layers together:\n")
    together = {way: [sum(t) for t in zip(*(s[way] for s in turns), strict=True)] for way in ways}
    print_table(together, amount=options.rows, unit="frames")


def layers(width: int) -> dict[str, GraphConvolution]:
    """The layers of a hand's encoder and of the body's, by name."""
    found = {}
    for name, skeleton in (("hand", HAND), ("body", BODY)):
        points = adjacency(skeleton.points)
        parts = adjacency(skeleton.part_graph)
        sizes = [2, width // 4, width // 4, width // 2, width, width]
        for number, (in_dim, out_dim) in enumerate(pairwise(sizes)):
            edges = points if number < 3 else parts
            title = f"{name}, {edges.shape[1]} points, {in_dim} to {out_dim}"
            found[title] = GraphConvolution(in_dim, out_dim, edges)
    return found


def both_ways(layer: GraphConvolution, num_rows: int) -> dict[str, Callable[[], Tensor]]:
    """Forward and backward passes of a layer, by the name of the way."""
    torch.manual_seed(0)
    features = torch.randn(num_rows, layer.edges.shape[1], layer.in_features)
    features.requires_grad_(layer.in_features > 2)  # Keypoints are not trained.

    def both_passes(convolve: Callable[[Tensor], Tensor]) -> Tensor:
        layer.zero_grad()
        outputs = convolve(features)
        outputs.backward(torch.ones_like(outputs))
        return outputs.detach()

    published = partial(naive_graph_convolution, layer)
    return {PUBLISHED: partial(both_passes, published), OURS: partial(both_passes, layer)}


def products(layer: GraphConvolution) -> str:
    """Rows that are multiplied with weights, of all points times all subsets."""
    if layer.is_folded:
        return "folded"
    return f"{sum(layer.rows_of_subsets)} of {layer.edges.shape[0] * layer.edges.shape[1]}"


if __name__ == "__main__":
    main()
