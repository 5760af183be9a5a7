"""Papers' scores, the release's way of ranking, and ours beside them."""

from dataclasses import replace

import numpy as np
import pytest

from seds_core.errors import UsageError
from train.evaluation.load_model import EvaluatedModel
from train.evaluation.metrics import SplitScores, build_gallery
from train.evaluation.published import (
    PUBLISHED_SYSTEMS,
    TEST_SETS,
    compare_with_published,
    data_set_of,
)


def test_every_system_has_scores_on_every_data_set():
    for system in PUBLISHED_SYSTEMS:
        assert system.scores.keys() == TEST_SETS.keys()
        assert "arXiv" in system.source


def test_one_system_repeats_each_of_our_streams():
    streams = [system.stream for system in PUBLISHED_SYSTEMS if system.stream]
    assert sorted(streams) == ["fusion", "pose", "rgb"]


def test_recall_grows_with_the_cut_off():
    """A digit exchanged in the table would show here."""
    for system in PUBLISHED_SYSTEMS:
        for scores in system.scores.values():
            *of_texts, of_videos = scores.values()
            known = [value for value in of_texts if value is not None]
            assert known == sorted(known)
            assert abs(known[0] - of_videos) < 7


def test_gains_that_the_paper_states():
    """SEDS over CiCo, T2V R@1."""
    scores = {system.name: system.scores for system in PUBLISHED_SYSTEMS}
    seds, cico = scores["SEDS fusion (paper)"], scores["CiCo"]
    gains = {name: round(seds[name]["T2V R@1"] - cico[name]["T2V R@1"], 1) for name in TEST_SETS}
    assert gains == {"phoenix-2014t": 7.3, "csl-daily": 10.5, "how2sign": 5.9}


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
    fusion, rgb = comparison["ours"]
    assert (fusion["stream"], fusion["repeats"]) == ("fusion", "SEDS fusion (paper)")
    assert fusion["mean"]["T2V R@1"] == 100
    assert fusion["difference"]["T2V R@1"] == pytest.approx(100 - 76.8)
    assert fusion["difference"]["V2T R@1"] == pytest.approx(100 - 78.7)
    assert (rgb["stream"], rgb["repeats"]) == ("rgb", "SEDS RGB only")
    assert rgb["mean"]["V2T R@1"] == 37.5
    assert rgb["difference"]["V2T R@1"] == pytest.approx(37.5 - 70.1)
    assert rgb["difference"]["T2V R@5"] is None
    assert rgb["deviation"] is None


def test_the_rule_for_ties_is_the_one_asked_for(made_for_phoenix):
    comparison = compare_with_published([made_for_phoenix], "published")
    assert comparison["ours"][1]["mean"]["V2T R@1"] == 25.0


def test_a_stream_of_a_fusion_run_is_not_a_model_of_that_stream(made_for_phoenix):
    fusion, rgb = compare_with_published([made_for_phoenix], "expected")["ours"]
    assert fusion["other_training"] == ""
    assert "SEDS RGB only is a model trained for that stream alone" in rgb["other_training"]
    assert "--stage rgb" in rgb["other_training"]
    scores = SplitScores(
        made_for_phoenix.scores.gallery, {"rgb": made_for_phoenix.scores.scores["rgb"]}
    )
    alone = replace(made_for_phoenix, facts=FACTS | {"stage": "rgb"}, scores=scores)
    assert compare_with_published([alone], "expected")["ours"][0]["other_training"] == ""


def test_several_runs_have_mean_and_deviation(made_for_phoenix):
    scores = made_for_phoenix.scores
    only_rough = dict.fromkeys(scores.streams, scores.scores["rgb"])
    other = replace(made_for_phoenix, scores=replace(scores, scores=only_rough))
    fusion, rgb = compare_with_published([made_for_phoenix, other], "expected")["ours"]
    assert fusion["mean"]["V2T R@1"] == pytest.approx((100 + 37.5) / 2)
    assert fusion["deviation"]["V2T R@1"] == pytest.approx(62.5 / 2**0.5)
    assert fusion["difference"]["V2T R@1"] == pytest.approx((100 + 37.5) / 2 - 78.7)
    assert rgb["deviation"]["V2T R@1"] == 0


def test_a_split_of_another_size_is_told(made_for_phoenix):
    text = compare_with_published([made_for_phoenix], "expected")["other_size"]
    assert "4 videos of 3 caption entries" in text
    assert "642 of 642" in text


def test_a_split_of_the_published_size_is_not(made_for_phoenix):
    names = [str(number) for number in range(642)]
    texts = ["sun", "sun", *names[2:]]  # two entries may hold one sentence
    gallery = build_gallery("test", names, texts, names)
    scores = SplitScores(gallery, {"rgb": np.zeros((642, 641), np.float32)})
    model = EvaluatedModel("run", FACTS, scores)
    assert compare_with_published([model], "expected")["other_size"] is None


def test_cells_stand_under_their_columns():
    cico = next(system for system in PUBLISHED_SYSTEMS if system.name == "CiCo")
    assert cico.scores["how2sign"] == {
        "T2V R@1": 56.6, "T2V R@5": 69.9, "T2V R@10": 74.7, "V2T R@1": 51.6,
    }  # fmt: skip
