"""Which sentences are told as confused, and in which order."""

from dataclasses import replace

import numpy as np
import pytest

from train.evaluation.metrics import SplitScores, build_gallery
from train.evaluation.report import Confusion, confusion_table, most_confused


@pytest.fixture
def scores():
    """Two of three videos of rain are taken for wind; one of sun for rain; a tie is right."""
    texts = ["rain", "rain", "rain", "sun", "wind", "sun"]
    gallery = build_gallery("test", [f"v{number}" for number in range(6)], texts)
    values = [
        [0.2, 0.0, 0.5],
        [0.1, 0.0, 0.2],
        [0.9, 0.0, 0.1],
        [0.8, 0.1, 0.0],
        [0.3, 0.0, 0.3],
        [0.0, 0.4, 0.1],
    ]
    return SplitScores(gallery, {"pose": np.array(values, np.float32)})


def test_pairs_of_most_videos_come_first(scores):
    found = most_confused(scores, "pose", 10)
    assert [replace(confusion, margin=0.0) for confusion in found] == [
        Confusion("rain", "wind", 2, 3, 0.0),
        Confusion("sun", "rain", 1, 2, 0.0),
    ]
    assert [confusion.margin for confusion in found] == pytest.approx([0.2, 0.7])
    assert most_confused(scores, "pose", 1) == found[:1]


def test_of_equally_many_the_clearest_comes_first(scores):
    values = scores.scores["pose"].copy()
    values[1, 0] = 1.0
    found = most_confused(SplitScores(scores.gallery, {"pose": values}), "pose", 10)
    assert [(c.sentence, c.num_videos) for c in found] == [("sun", 1), ("rain", 1)]


def test_a_model_without_confusions_has_no_table(evaluated):
    assert confusion_table(evaluated) is None  # its fusion knows all answers
    rough = replace(evaluated, facts={"stage": "rgb"})
    assert confusion_table(rough).row_count == 2
