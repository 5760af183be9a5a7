"""Graph convolution over skeletons and parts."""

import numpy as np
import pytest
import torch
from shared_data import golden_path

from train.model.graph_convolution import (
    BODY,
    HAND,
    GraphBlock,
    GraphConvolution,
    PointNorm,
    SkeletonGraph,
    adjacency,
    gather_and_scatter,
)

GRAPHS = {
    "hand": HAND.points,
    "body": BODY.points,
    "parts of a hand": HAND.part_graph,
    "parts of the body": BODY.part_graph,
}


def slow_convolution(features, weight, bias, edges):
    outputs = torch.zeros(*features.shape[:2], len(weight) // len(edges), dtype=features.dtype)
    messages = [features @ w.T + b for w, b in zip(weight.chunk(4), bias.chunk(4), strict=True)]
    for subset, source, target in edges.nonzero().tolist():
        outputs[:, target] += edges[subset, source, target] * messages[subset][:, source]
    return outputs


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
@pytest.mark.parametrize(("in_dim", "is_folded"), [(2, True), (30, False)])
def test_a_sum_over_subsets(graph, in_dim, is_folded):
    torch.manual_seed(0)
    convolution = GraphConvolution(in_dim, 45, adjacency(graph)).double()
    edges = convolution.edges
    assert convolution.is_folded == is_folded
    features = torch.randn(3, edges.shape[1], in_dim, dtype=torch.float64, requires_grad=True)
    found = convolution(features)
    inputs = [features, convolution.weight, convolution.bias]
    expected = slow_convolution(*inputs, edges)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    direction = torch.randn_like(found)
    for one, other in zip(
        torch.autograd.grad((found * direction).sum(), inputs),
        torch.autograd.grad((expected * direction).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_gather_and_scatters_are_the_edges_through_few_rows(graph):
    for edges in adjacency(graph):
        gather, scatter = gather_and_scatter(edges)
        np.testing.assert_array_equal(scatter @ gather, edges.T)
        assert len(gather) == min(edges.any(axis=1).sum(), edges.any(axis=0).sum())


def test_what_is_multiplied_with_weights():
    def rows(graph):
        return GraphConvolution(30, 45, adjacency(graph)).rows_of_subsets

    assert rows(HAND.points) == [21, 16, 16, 20]
    assert rows(HAND.part_graph) == [6, 1, 1, 5]
    assert rows(BODY.part_graph) == [3, 0, 0, 2]
    assert list(GraphConvolution(30, 45, adjacency(BODY.points)).state_dict()) == ["weight", "bias"]


def test_a_norm_counts_every_point_of_every_row():
    values = torch.randn(6, 7, 3)
    normed = PointNorm(3)(values).reshape(-1, 3)
    torch.testing.assert_close(normed.mean(0), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(normed.var(0, correction=0), torch.ones(3), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("in_dim", "is_residual"), [(8, True), (4, True), (8, False)])
def test_a_shortcut_carries_the_input_past_silent_convolutions(in_dim, is_residual):
    block = GraphBlock(in_dim, 8, BODY.points, 0.0, is_residual=is_residual).eval()
    torch.nn.init.zeros_(block.mix_norm.weight)
    features = torch.rand(2, 7, in_dim)
    expected = block.shortcut(features).relu() if is_residual else torch.zeros(2, 7, 8)
    torch.testing.assert_close(block(features), expected)
    assert sum(1 for _ in block.shortcut.parameters()) == (4 if in_dim != 8 else 0)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "graph"),
    [
        ("hand", HAND.points),
        ("hand_pooled", HAND.part_graph),
        ("body", BODY.points),
        ("body_pooled", BODY.part_graph),
    ],
)
def test_published_graphs(name, graph):
    np.testing.assert_array_equal(adjacency(graph), np.load(golden_path("graphs.npz"))[name])


def test_a_chain_of_three_points_by_hand():
    edges = adjacency(SkeletonGraph(parents=(None, 0, 1), sideways=()))
    assert edges[0].tolist() == [[1 / 2, 0, 0], [0, 1 / 3, 0], [0, 0, 1 / 2]]
    assert edges[1].tolist() == [[0, 0, 0], [1 / 2, 0, 0], [0, 1 / 3, 0]]
    assert edges[2].tolist() == [[0, 1 / 3, 0], [0, 0, 1 / 2], [0, 0, 0]]
    assert not edges[3].any()


@pytest.mark.parametrize("skeleton", [HAND, BODY])
def test_every_point_belongs_to_one_part(skeleton):
    points = sorted(point for part in skeleton.parts for point in part)
    assert points == list(range(len(skeleton.points.parents)))
    assert len(skeleton.parts) == len(skeleton.part_graph.parents)


@pytest.mark.parametrize("graph", [HAND.points, HAND.part_graph, BODY.points])
def test_what_a_point_receives_has_mean_weight(graph):
    np.testing.assert_allclose(adjacency(graph).sum((0, 1)), 1)
