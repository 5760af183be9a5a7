import numpy as np
import pytest
from shared_data import golden_path

from train.model.graph_convolution import (
    BODY,
    HAND,
    SkeletonGraph,
    adjacency,
)


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
