"""Tables, JSON values and the file of ranks."""

import csv
import json
from dataclasses import replace

import pytest
from rich.console import Console

from train.evaluation.published import compare_with_published
from train.evaluation.report import (
    RANK_COLUMNS,
    comparison_table,
    describe,
    model_table,
    spread_table,
    write_json,
    write_ranks,
)


def shown(table):
    console = Console(width=140, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def rows(text):
    """First two cells -> the others, of a table's lines."""
    cells = [[c.strip() for c in line.strip("│┃ ").split("│")] for line in text.splitlines()]
    return {(c[0], c[1]): c[2:] for c in cells if len(c) > 2}


def test_the_table_has_intervals_and_chance(evaluated):
    text = shown(model_table(evaluated, "expected"))
    found = rows(text)
    assert found["fusion", "T2V"] == ["100.0 (100.0-100.0)"] * 3 + ["1.0", "1.0"]
    assert found["rgb", "V2T"][0].startswith("37.5 (")
    assert found["chance", "V2T"] == ["33.3", "100", "100", "2", "2"]
    assert "runs/[a]: split test, 4 videos of 3 sentences" in text
    assert "ties: expected" in text


def test_the_rule_for_ties_is_the_one_asked_for(evaluated):
    assert rows(shown(model_table(evaluated, "pessimistic")))["rgb", "V2T"][0].startswith("25.0")


def test_several_runs_have_a_mean_and_a_deviation(evaluated):
    other = replace(
        evaluated,
        scores=replace(
            evaluated.scores,
            scores={
                "fusion": evaluated.scores.scores["rgb"],
                "rgb": evaluated.scores.scores["rgb"],
            },
        ),
    )
    found = rows(shown(spread_table([evaluated, other], "expected")))
    assert found["fusion", "V2T"][0] == "68.8 ± 44.2"
    assert found["rgb", "V2T"][0] == "37.5 ± 0.0"
    assert found["chance", "V2T"][0] == "33.3"


def test_published_scores_stand_beside_ours(evaluated):
    facts = {"stage": "fusion", "settings": {"keypoints": {"rules": "how2sign"}}}
    one = replace(evaluated, facts=facts)
    text = shown(comparison_table(compare_with_published([one], "expected")))
    found = {row[0]: list(row[1:2]) + cells for row, cells in rows(text).items()}
    assert found["CiCo"] == ["56.6", "69.9", "74.7", "51.6"]
    assert found["SEDS pose only"] == ["55.9", "-", "-", "50.9"]
    assert found["ours, fusion"] == ["100.0", "100.0", "100.0", "100.0"]
    assert found["minus SEDS fusion (paper), points"] == ["+37.5", "+24.9", "+19.9", "+42.1"]
    assert found["minus SEDS RGB only, points"][1:3] == ["-", "-"]
    assert "best on the test set" in text
    assert "SEDS RGB only is a model trained for that stream alone" in " ".join(text.split())
    assert "ties: expected; --ties published repeats their rule" in " ".join(text.split())


def test_ours_over_several_runs_have_a_deviation(evaluated):
    facts = {"stage": "fusion", "settings": {"keypoints": {"rules": "how2sign"}}}
    one = replace(evaluated, facts=facts)
    text = shown(comparison_table(compare_with_published([one, one], "published")))
    found = {row[0]: list(row[1:2]) + cells for row, cells in rows(text).items()}
    assert found["ours, fusion"][0] == "100.0 ± 0.0"
    assert "of 2 runs" in text
    assert "repeats" not in text


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


def test_published_scores_are_told_with_their_sources(evaluated):
    facts = {"stage": "fusion", "settings": {"keypoints": {"rules": "csl-daily"}}}
    comparison = compare_with_published([replace(evaluated, facts=facts)], "expected")
    values = json.loads(json.dumps(comparison))
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
    columns = [(f"candidate_{position}", f"score_{position}") for position in range(1, 11)]
    found = [(asked[candidate], asked[score]) for candidate, score in columns]
    # Of equal scores the first comes first; there are four videos.
    best = [("v2", "0.2"), ("v0", "0.1"), ("v1", "0.1"), ("v3", "0.1")]
    assert found == best + [("", "")] * 6
    assert (asked["best_correct"], asked["best_correct_score"]) == ("v1", "0.1")
    assert all(line["candidate_1"] == line["top_candidate"] for line in lines)
