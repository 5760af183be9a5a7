from dataclasses import replace

from rich.console import Console

from train.evaluation.comparison import compare_with_published
from train.evaluation.report import comparison_table, model_table, spread_table


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
