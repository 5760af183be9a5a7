"""What is selected, when the test split is scored and for whom, and the report's bytes."""

import json

import pytest
from small_sweep import MadeUpRuns, write_sweep

from train.sweep import command


@pytest.fixture
def start(folder, tmp_path, monkeypatch):
    """Starts a sweep whose runs are made up; returns its exit code."""

    def sweep(runs, old="recipes:", new="recipes:", **options):
        monkeypatch.setattr(command, "LocalProcesses", lambda: runs)
        options = {"out": tmp_path / "out", "device": "cpu"} | options
        return command.sweep(write_sweep(folder, old, new), **options)

    return sweep


def report(tmp_path):
    return json.loads((tmp_path / "out" / "report.json").read_text())


def test_validation_selects_and_the_test_split_is_scored_afterwards_for_two(start, tmp_path):
    """On test another recipe is the best, and nothing comes of it."""
    runs = MadeUpRuns(levels_on_test={"base": 0.2, "calm": 0.3, "fast": 0.9})
    assert start(runs) == 0
    trained, scored = runs.done[:6], runs.done[6:]
    assert {split for _, split in trained} == {"dev"}
    assert sorted(scored) == [(f"{recipe}-seed{n}", "test") for recipe in ("base", "calm")
                              for n in (1, 2)]  # fmt: skip
    found = report(tmp_path)
    assert found["selected"] == "calm"
    assert [row["recipe"] for row in found["validation"]["rows"]] == ["base", "calm", "fast"]
    assert [row["recipe"] for row in found["test"]["rows"]] == ["base", "calm"]
    assert found["recipes"]["calm"]["changes"] == {"augmentation.jitter": 0.0}
    assert found["recipes"]["base"]["changes"] == {}


def test_every_recipe_may_be_scored_on_test_and_validation_still_selects(start, tmp_path):
    runs = MadeUpRuns(levels_on_test={"base": 0.2, "calm": 0.3, "fast": 0.9})
    assert start(runs, "threads: 1", "threads: 1\ntest_recipes: every") == 0
    found = report(tmp_path)
    assert found["selected"] == "calm"
    assert [row["recipe"] for row in found["test"]["rows"]] == ["base", "calm", "fast"]


def test_no_test_split_is_scored_where_there_is_none(start, tmp_path):
    runs = MadeUpRuns()
    assert start(runs, "threads: 1", "threads: 1\ntest_split: null") == 0
    assert {split for _, split in runs.done} == {"dev"}
    assert report(tmp_path)["test"] is None


def test_what_is_finished_is_not_done_again_and_the_report_is_the_same(start, tmp_path):
    assert start(MadeUpRuns()) == 0
    before = [(tmp_path / "out" / name).read_bytes() for name in ("report.md", "report.json")]
    again = MadeUpRuns()
    assert start(again) == 0
    assert again.done == []
    after = [(tmp_path / "out" / name).read_bytes() for name in ("report.md", "report.json")]
    assert after == before


def test_a_recipe_that_is_added_later_is_all_that_is_trained(start, tmp_path):
    assert start(MadeUpRuns()) == 0
    more = MadeUpRuns()
    assert start(more, "  calm:", "  more: {}\n  calm:") == 0
    assert [name for name, split in more.done if split == "dev"] == ["more-seed1", "more-seed2"]
    assert report(tmp_path)["selected"] == "more"
    # Whatever has been scored on test stays in its table.
    assert [row["recipe"] for row in report(tmp_path)["test"]["rows"]] == ["base", "more", "calm"]


def test_a_recipe_with_a_failed_run_is_told_and_not_selected(start, tmp_path, capsys):
    assert start(MadeUpRuns(failing=["calm-seed2"])) == command.EXIT_SOME_FAILED
    found = report(tmp_path)
    assert found["selected"] == "fast"
    assert found["failed"] == {"calm-seed2": "it diverged | as it does"}
    assert [row["recipe"] for row in found["validation"]["rows"]] == ["base", "fast"]
    assert found["recipes"]["calm"]["finished_seeds"] == [1]
    assert "| calm | 1 of 2 |" in (tmp_path / "out" / "report.md").read_text()
    assert (
        r"| calm-seed2 | it diverged \| as it does |"
        in (tmp_path / "out" / "report.md").read_text()
    )
    # The next start does what is missing.
    again = MadeUpRuns()
    assert start(again) == 0
    assert again.done == [("calm-seed2", "dev"), ("calm-seed1", "test"), ("calm-seed2", "test")]


def test_where_all_have_failed_there_is_still_a_report(start, tmp_path):
    names = [f"{recipe}-seed{n}" for recipe in ("base", "calm", "fast") for n in (1, 2)]
    assert start(MadeUpRuns(failing=names)) == command.EXIT_SOME_FAILED
    found = report(tmp_path)
    assert (found["selected"], found["validation"], found["test"]) == (None, None, None)
    assert list(found["failed"]) == names


def test_figures_by_hand(start, tmp_path):
    """The recipes' runs answer fractions of the same forty queries."""
    assert start(MadeUpRuns()) == 0
    found = report(tmp_path)["validation"]
    base, calm, _ = found["rows"]
    for row in (base, calm):
        recalls = row["recalls"]["fusion"]["1"]["mean"]
        assert row["estimates"]["1"]["mean"]["mean"] == pytest.approx(sum(recalls) / 2)
    difference = found["differences"][0]
    assert difference["recipe"] == "calm"
    expected = calm["estimates"]["1"]["mean"]["mean"] - base["estimates"]["1"]["mean"]["mean"]
    assert difference["estimates"]["mean"]["mean"] == pytest.approx(expected)
    assert difference["estimates"]["mean"]["low"] > 0
    assert difference["p_sentences"]["mean"] < 0.01
    assert difference["p_sentences_holm"]["mean"] > difference["p_sentences"]["mean"]
    assert difference["p_seeds"]["mean"] == 0.5  # two of the four ways to change two runs
    assert found["chance"] == pytest.approx({"T2V": 2.5, "V2T": 2.5, "mean": 2.5})


def test_dry_run_touches_nothing(start, tmp_path, capsys):
    runs = MadeUpRuns()
    assert start(runs, dry_run=True) == 0
    assert runs.done == []
    assert not (tmp_path / "out").exists()
    assert "to do" in capsys.readouterr().out


def test_threads_of_the_first_start_stay(start, tmp_path, monkeypatch):
    monkeypatch.setattr(command.os, "sched_getaffinity", lambda _: range(8))
    seen = []

    class Noting(MadeUpRuns):
        def start(self, work):
            seen.append(work.threads)
            super().start(work)

    assert start(Noting(failing=["base-seed1"]), "threads: 1\n", "", jobs=4) == 3
    assert start(Noting(), "threads: 1\n", "", jobs=1) == 0
    assert set(seen) == {2}
