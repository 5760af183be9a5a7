import csv
import json
from dataclasses import replace

import pytest

from train.evaluation.comparison import compare_with_published
from train.evaluation.result_files import (
    RANK_COLUMNS,
    describe,
    describe_comparison,
    describe_spread,
    write_json,
    write_ranks,
)


def test_json_holds_every_rule_and_what_was_counted(evaluated, tmp_path):
    write_json(tmp_path / "new" / "scores.json", describe(evaluated, "expected"))
    values = json.loads((tmp_path / "new" / "scores.json").read_text())
    assert (values["model"], values["stage"], values["seed"]) == ("runs/[a]", "fusion", 1)
    assert (values["split"], values["ties"]) == ("test", "expected")
    assert values["counts"] == {
        "videos": 4, "sentences": 3, "sentences_with_several_videos": 1, "published_entries": 3,
    }  # fmt: skip
    shown = values["streams"]["rgb"]["video_to_text"]
    assert shown["R@1"] == 37.5
    assert shown["queries_with_ties"] == 2
    assert {rule: of_rule["R@1"] for rule, of_rule in shown["by_rule"].items()} == {
        "optimistic": 50.0, "expected": 37.5, "pessimistic": 25.0, "published": 25.0,
    }  # fmt: skip
    assert shown["intervals"]["R@1"][0] <= 37.5 <= shown["intervals"]["R@1"][1]
    assert values["chance"]["video_to_text"]["R@1"] == pytest.approx(100 / 3)


def test_the_spread_is_told(evaluated):
    spread = describe_spread([evaluated, evaluated], "expected")
    assert spread["rgb"]["video_to_text"]["R@1"] == {"mean": 37.5, "deviation": 0.0}


def test_published_scores_are_told_with_their_sources(evaluated):
    facts = {"stage": "fusion", "settings": {"keypoints": {"rules": "csl-daily"}}}
    comparison = compare_with_published([replace(evaluated, facts=facts)], "expected")
    values = json.loads(json.dumps(describe_comparison(comparison)))
    assert values["test_set"] == {"videos": 1176, "entries": 798}
    assert "4 videos of 3 caption entries" in values["other_size"]
    by_name = {system["name"]: system for system in values["systems"]}
    assert by_name["SEDS fusion (paper)"]["scores"]["V2T R@1"] == 85.4
    assert "2407.16394" in by_name["SEDS fusion (paper)"]["source"]
    assert values["ours"][0]["difference"]["V2T R@1"] == pytest.approx(100 - 85.4)


def test_ranks_of_every_query(evaluated, tmp_path):
    path = tmp_path / "new" / "ranks.csv"
    write_ranks(path, [evaluated])
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * (3 + 4)
    by_query = {(line["stream"], line["direction"], line["query"]): line for line in lines}
    of_video = by_query["rgb", "video_to_text", "v3"]
    assert {name: of_video[name] for name in RANK_COLUMNS[:9]} == {
        "model": "runs/[a]", "stream": "rgb", "direction": "video_to_text", "query": "v3",
        "optimistic_rank": "1", "expected_rank": "1.5", "pessimistic_rank": "2",
        "best_correct": "[wind]", "top_candidate": "rain",
    }  # fmt: skip
    asked = by_query["rgb", "text_to_video", "sun"]
    assert (asked["best_correct"], asked["top_candidate"]) == ("v0", "v1")
    assert asked["optimistic_rank"] == "2"


def test_the_best_candidates_of_every_query_are_kept_with_their_scores(evaluated, tmp_path):
    write_ranks(tmp_path / "ranks.csv", [evaluated])
    with (tmp_path / "ranks.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    (asked,) = (line for line in lines if (line["stream"], line["query"]) == ("rgb", "rain"))
    columns = [(f"candidate_{place}", f"score_{place}") for place in range(1, 11)]
    found = [(asked[candidate], asked[score]) for candidate, score in columns]
    # Of equal scores the first comes first; there are four videos.
    best = [("v2", "0.2"), ("v0", "0.1"), ("v1", "0.1"), ("v3", "0.1")]
    assert found == best + [("", "")] * 6
    assert (asked["best_correct"], asked["best_correct_score"]) == ("v1", "0.1")
    assert all(line["candidate_1"] == line["top_candidate"] for line in lines)
