import numpy as np
import pytest
import torch

from train.model.graph_convolution import BODY, HAND, GraphConvolution, adjacency, passage

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
def test_passages_are_the_edges_through_few_rows(graph):
    for edges in adjacency(graph):
        gather, scatter = passage(edges)
        np.testing.assert_array_equal(scatter @ gather, edges.T)
        assert len(gather) == min(edges.any(axis=1).sum(), edges.any(axis=0).sum())


def test_what_is_multiplied_with_weights():
    def rows(graph):
        return GraphConvolution(30, 45, adjacency(graph)).rows_of_subsets

    assert rows(HAND.points) == [21, 16, 16, 20]
    assert rows(HAND.part_graph) == [6, 1, 1, 5]
    assert rows(BODY.part_graph) == [3, 0, 0, 2]
    assert list(GraphConvolution(30, 45, adjacency(BODY.points)).state_dict()) == ["weight", "bias"]
