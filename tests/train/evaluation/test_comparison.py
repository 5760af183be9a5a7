from dataclasses import replace

import numpy as np
import pytest

from seds_core.errors import UsageError
from train.evaluation.comparison import by_column, compare_with_published, data_set_of
from train.evaluation.load_model import EvaluatedModel
from train.evaluation.metrics import Scores, SplitScores, build_gallery

FACTS = {"stage": "fusion", "settings": {"keypoints": {"rules": "phoenix-2014t"}}}


@pytest.fixture
def made_for_phoenix(evaluated):
    return replace(evaluated, facts=FACTS)


def test_the_rules_for_hands_say_which_data_set_it_is():
    assert data_set_of("runs/a", FACTS) == "phoenix-2014t"
    other = {"settings": {"keypoints": {"rules": "custom"}}}
    with pytest.raises(UsageError, match=r"phoenix-2014t, csl-daily, how2sign; runs/a .*'custom'"):
        data_set_of("runs/a", other)


def test_ours_minus_the_paper_by_stream(made_for_phoenix):
    comparison = compare_with_published([made_for_phoenix], "expected")
    fusion, rgb = comparison.own
    assert (fusion.stream, fusion.repeats) == ("fusion", "SEDS fusion (paper)")
    assert fusion.mean["T2V R@1"] == 100
    assert fusion.difference["T2V R@1"] == pytest.approx(100 - 76.8)
    assert fusion.difference["V2T R@1"] == pytest.approx(100 - 78.7)
    assert (rgb.stream, rgb.repeats) == ("rgb", "SEDS RGB only")
    assert rgb.mean["V2T R@1"] == 37.5
    assert rgb.difference["V2T R@1"] == pytest.approx(37.5 - 70.1)
    assert rgb.difference["T2V R@5"] is None
    assert rgb.deviation is None


def test_the_rule_for_ties_is_the_one_asked_for(made_for_phoenix):
    comparison = compare_with_published([made_for_phoenix], "published")
    assert comparison.own[1].mean["V2T R@1"] == 25.0


def test_a_stream_of_a_fusion_run_is_not_a_model_of_that_stream(made_for_phoenix):
    fusion, rgb = compare_with_published([made_for_phoenix], "expected").own
    assert fusion.other_training == ""
    assert "SEDS RGB only is a model trained for that stream alone" in rgb.other_training
    assert "--stage rgb" in rgb.other_training
    scores = SplitScores(
        made_for_phoenix.scores.gallery, {"rgb": made_for_phoenix.scores.scores["rgb"]}
    )
    alone = replace(made_for_phoenix, facts=FACTS | {"stage": "rgb"}, scores=scores)
    assert compare_with_published([alone], "expected").own[0].other_training == ""


def test_several_runs_have_mean_and_deviation(made_for_phoenix):
    scores = made_for_phoenix.scores
    only_rough = dict.fromkeys(scores.streams, scores.scores["rgb"])
    other = replace(made_for_phoenix, scores=replace(scores, scores=only_rough))
    fusion, rgb = compare_with_published([made_for_phoenix, other], "expected").own
    assert fusion.mean["V2T R@1"] == pytest.approx((100 + 37.5) / 2)
    assert fusion.deviation["V2T R@1"] == pytest.approx(62.5 / 2**0.5)
    assert fusion.difference["V2T R@1"] == pytest.approx((100 + 37.5) / 2 - 78.7)
    assert rgb.deviation["V2T R@1"] == 0


def test_a_split_of_another_size_is_told(made_for_phoenix):
    text = compare_with_published([made_for_phoenix], "expected").other_size
    assert "4 videos of 3 caption entries" in text
    assert "642 of 642" in text


def test_a_split_of_the_published_size_is_not(made_for_phoenix):
    names = [str(number) for number in range(642)]
    texts = ["sun", "sun", *names[2:]]  # two entries may hold one sentence
    gallery = build_gallery("test", names, texts, names)
    scores = SplitScores(gallery, {"rgb": np.zeros((642, 641), np.float32)})
    model = EvaluatedModel("run", FACTS, scores)
    assert compare_with_published([model], "expected").other_size == ""


def test_cells_stand_under_their_columns():
    assert by_column(Scores(1.0, 2.0, 3.0)) == {
        "T2V R@1": 1.0, "T2V R@5": 3.0, "T2V R@10": None, "V2T R@1": 2.0,
    }  # fmt: skip
