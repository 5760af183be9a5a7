"""The best and the worst queries of an evaluation."""

import numpy as np
import pytest


@pytest.fixture
def scores():
    """Five sentences of six videos; rows are videos."""
    from train.evaluation.metrics import SplitScores, build_gallery

    texts = ["a", "b", "c", "d", "e", "e"]
    gallery = build_gallery("test", [f"v{n}" for n in range(6)], texts)
    values = np.array(
        [
            [0.9, 0.1, 0.1, 0.3, 0.0],
            [0.2, 0.8, 0.5, 0.4, 0.1],
            [0.1, 0.7, 0.4, 0.5, 0.2],
            [0.3, 0.1, 0.6, 0.2, 0.3],
            [0.1, 0.1, 0.3, 0.3, 0.3],
            [0.1, 0.1, 0.3, 0.1, 0.9],
        ],
        np.float32,
    )
    return SplitScores(gallery, {"fusion": values})


def test_clear_answers_first_and_the_farthest_ones(scores):
    from search.report.chosen_queries import chosen_queries

    best, worst = chosen_queries(scores, "fusion", num_best=2, num_worst=5)
    assert [query.text for query in best] == [0, 4]
    assert [query.text for query in worst] == [3, 2]
    assert (best[1].video, best[1].wrong_video) == (5, 3)
    assert best[0].margin == pytest.approx(0.6)
    assert worst[0].rank == 5
    assert (worst[0].video, worst[0].wrong_video) == (3, 2)
    assert worst[0].margin == pytest.approx(-0.3)


def test_what_is_right_is_none_of_the_worst(scores):
    from search.report.chosen_queries import chosen_queries

    best, worst = chosen_queries(scores, "fusion", num_best=9, num_worst=9)
    assert {query.text for query in best} == {0, 1, 4}
    assert {query.text for query in worst} == {2, 3}


def test_one_sentence_has_no_wrong_video():
    from search.report.chosen_queries import chosen_queries
    from train.evaluation.metrics import SplitScores, build_gallery

    scores = SplitScores(build_gallery("t", ["v", "w"], ["a", "a"]), {"rgb": np.ones((2, 1))})
    (query,), worst = chosen_queries(scores, "rgb", num_best=1, num_worst=1)
    assert query.wrong_video is None
    assert worst == []
