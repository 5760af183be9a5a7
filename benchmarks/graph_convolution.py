"""Measures the graph convolutions of the pose encoder against the published order of computation.

    python benchmarks/graph_convolution.py

The published order multiplies every point with the weights of all subsets of edges, then puts the
subsets first and sums along the edges. Ours multiplies only what a subset's edges carry. One trial
is a forward and a backward pass of one layer; trials of both take turns in one process.
"""

import argparse
import statistics
import time
from itertools import pairwise

import torch
from einops import einsum, rearrange
from torch import Tensor
from torch.nn.functional import linear

from train.model.graph_convolution import GraphConvolution
from train.model.skeleton_graphs import BODY, HAND, adjacency


def main() -> None:
    """Prints one row a layer."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--rows", type=int, default=480, help="frames")
    parser.add_argument("--trials", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{vars(options)}, torch {torch.__version__}\n")
    print("| layer | published ms | ours ms | times faster | least - most | fewer products |")
    print("|---|---|---|---|---|---|")
    total = dict.fromkeys(("published", "ours"), 0.0)
    for name, layer in layers(options.width).items():
        seconds = take_turns(layer, options)
        medians = {way: statistics.median(taken) for way, taken in seconds.items()}
        for way, median in medians.items():
            total[way] += median
        ratios = [slow / fast for slow, fast in zip(*seconds.values(), strict=True)]
        print(
            f"| {name} | {1e3 * medians['published']:.1f} | {1e3 * medians['ours']:.1f} "
            f"| {statistics.median(ratios):.2f} | {min(ratios):.2f} - {max(ratios):.2f} "
            f"| {fewer_products(layer)} |"
        )
    print(f"\n{total['published'] / total['ours']:.2f} times faster, all layers together")


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


def published_order(layer: GraphConvolution, features: Tensor) -> Tensor:
    """The same convolution."""
    messages = linear(features, layer.weight, layer.bias)
    grouped = rearrange(messages, "n v (k c) -> n k v c", k=len(layer.edges))
    return einsum(layer.edges, grouped, "k v w, n k v c -> n w c")


def take_turns(layer: GraphConvolution, options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each way's trials, without the first."""
    torch.manual_seed(0)
    features = torch.randn(options.rows, layer.edges.shape[1], layer.in_features)
    features.requires_grad_(layer.in_features > 2)  # Keypoints are not trained.
    ways = {"published": lambda x: published_order(layer, x), "ours": layer}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.trials + 1):
        for name, way in ways.items():
            layer.zero_grad()
            start = time.perf_counter()
            outputs = way(features)
            outputs.backward(torch.ones_like(outputs))
            seconds[name].append(time.perf_counter() - start)
    return {name: taken[1:] for name, taken in seconds.items()}


def fewer_products(layer: GraphConvolution) -> str:
    """Rows that are multiplied with weights, of all points times all subsets."""
    if layer.is_folded:
        return "folded"
    return f"{sum(layer.rows_of_subsets)} of {layer.edges.shape[0] * layer.edges.shape[1]}"


if __name__ == "__main__":
    main()
