"""The library calls behind ``seds-eval``."""

import csv
import json

import pytest

from seds_core.errors import UsageError
from train.evaluation.evaluate import evaluate
from train.evaluation.report import report


def seds_eval(*runs, ties="expected", ranks=None, as_json=False, **options):
    """Both calls of the command, on the split ``train``, which has one sentence of two videos."""
    models = evaluate(runs, **{"split": "train", "device": "cpu"} | options)
    report(models, ties=ties, compare="compare" in options, ranks=ranks, as_json=as_json)
    return models


def test_a_run_is_evaluated_and_its_results_are_kept(make_run, capsys):
    run = make_run("run", stage="fusion")
    seds_eval(run)
    shown = capsys.readouterr().out
    assert "6 videos of 5 sentences" in shown
    assert "fusion" in shown
    assert "chance" in shown
    assert "most confused sentences (fusion, V2T)" in shown
    kept = run / "evaluation" / "train"
    values = json.loads((kept / "scores.json").read_text())
    assert values["checkpoint"] == str(run / "best.pt")
    with (kept / "ranks.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 3 * (6 + 5)


def test_float32_is_no_tf32(make_run, monkeypatch):
    import torch

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    seds_eval(make_run("run"))
    assert not torch.backends.cudnn.allow_tf32


def test_json_goes_to_standard_output_alone(make_run, capsys):
    seds_eval(make_run("run"), as_json=True, ties="published")
    values = json.loads(capsys.readouterr().out)
    assert values["spread"] is None
    assert values["models"][0]["ties"] == "published"


def test_several_runs_have_a_spread(make_run, capsys, tmp_path):
    runs = [make_run(f"run{seed}", seed) for seed in (1, 2, 3)]
    ranks = tmp_path / "all.csv"
    seds_eval(*runs, as_json=True, ranks=ranks)
    values = json.loads(capsys.readouterr().out)
    assert [model["seed"] for model in values["models"]] == [1, 2, 3]
    of_runs = [m["streams"]["rgb"]["text_to_video"]["MeanR"] for m in values["models"]]
    spread = values["spread"]["rgb"]["text_to_video"]["MeanR"]
    assert spread["mean"] == pytest.approx(sum(of_runs) / 3)
    with ranks.open(newline="") as file:
        assert {line["model"] for line in csv.DictReader(file)} == {str(run) for run in runs}
    assert "differ" not in capsys.readouterr().err


def test_a_checkpoint_file_is_enough(make_run, tmp_path, capsys):
    path = (make_run("run") / "best.pt").rename(tmp_path / "moved.pt")
    seds_eval(checkpoint=path)
    assert "moved.pt: split train" in capsys.readouterr().out


def test_runs_of_other_stages_have_no_mean(make_run):
    with pytest.raises(UsageError, match="different stages"):
        seds_eval(make_run("rgb"), make_run("pose", stage="pose"))


def test_requests_that_contradict_themselves(make_run, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(UsageError, match="either with --run or with --checkpoint"):
        seds_eval()
    with pytest.raises(UsageError, match="either with --run or with --checkpoint"):
        seds_eval(run, checkpoint=run / "best.pt")
    with pytest.raises(UsageError, match="a run has its own settings"):
        seds_eval(run, pipeline="custom")
    with pytest.raises(UsageError, match="twice"):
        seds_eval(run, run)
    with pytest.raises(UsageError, match=r"there is no checkpoint .*last\.pt"):
        seds_eval(make_run("run"), which="last")


def test_published_scores_are_shown_after_ours(make_run, capsys):
    runs = [make_run(f"run{seed}", seed, rules="phoenix-2014t") for seed in (1, 2)]
    seds_eval(*runs, compare="published")
    shown = capsys.readouterr()
    assert shown.out.index("standard deviation of 2 runs") < shown.out.index("ours, rgb")
    assert "SEDS fusion (paper)" in shown.out
    assert "6 videos of 5 caption entries" in " ".join(shown.err.split())


def test_published_scores_are_part_of_json(make_run, capsys):
    run = make_run("run", rules="phoenix-2014t")
    seds_eval(run, compare="published", as_json=True)
    values = json.loads(capsys.readouterr().out)
    assert values["published"]["data_set"] == "phoenix-2014t"
    assert [own["stream"] for own in values["published"]["ours"]] == ["rgb"]


def test_published_scores_need_a_published_data_set(make_run, monkeypatch):
    run = make_run("run")
    monkeypatch.setattr("train.evaluation.evaluate.evaluate_split", None)  # not even begun
    with pytest.raises(UsageError, match=r"keypoints\.rules 'custom'"):
        seds_eval(run, compare="published")


def test_scores_without_hubs_stand_beside_the_plain_ones(make_run, capsys):
    run = make_run("run", stage="fusion")
    (model,) = seds_eval(run, split="dev", normalise=True, as_json=True)
    values = json.loads(capsys.readouterr().out)["models"][0]
    of_sentences = values["streams"]["fusion"]["video_to_text"]
    (plain,) = seds_eval(run, split="dev", as_json=True)
    without = json.loads(capsys.readouterr().out)["models"][0]
    assert set(of_sentences["normalised"]) == {"mean", "spread", "query_bank"}
    assert set(of_sentences["normalised"]["mean"]["intervals"]) == {"R@1", "R@5", "R@10"}
    # What ranks is not touched by it.
    plainly = without["streams"]["fusion"]["video_to_text"]
    assert plainly == of_sentences | {"normalised": {}}
    assert plain.scores.scores["rgb"] == pytest.approx(model.scores.scores["rgb"], abs=1e-6)
    seds_eval(run, split="dev", normalise=True)
    assert "QB-Norm" in capsys.readouterr().out


def test_the_bank_is_the_training_split(make_run):
    run = make_run("run")
    bank = evaluate([run], split="dev", device="cpu", normalise=True)[0].scores.bank["rgb"]
    of_train = evaluate([run], split="train", device="cpu")[0].scores
    assert bank.of_videos.shape == (2, len(of_train.gallery.sentences))
    assert bank.of_sentences.shape == (len(of_train.gallery.video_ids), 2)


def test_what_is_fitted_to_a_split_is_not_measured_there(make_run):
    run = make_run("run")
    with pytest.raises(UsageError, match="--normalise fits to the split 'train'"):
        seds_eval(run, normalise=True)
    with pytest.raises(UsageError, match="--calibrate fits to the split 'dev'"):
        seds_eval(run, split="dev", calibrate=True)


def test_a_small_validation_split_gives_no_probabilities(make_run, capsys):
    (model,) = seds_eval(make_run("run"), calibrate=True)
    shown = capsys.readouterr()
    assert "the split 'dev' is too small" in " ".join(shown.err.split())
    assert model.calibrations == {}
    assert "known or unknown (rgb)" in shown.out


def test_probabilities_are_of_the_validation_split(make_run, monkeypatch, capsys):
    from train.evaluation import calibration

    monkeypatch.setattr(calibration, "FEWEST_QUERIES", 2)
    seen = []
    fit = calibration.fit_calibration

    def fitted(answers):
        seen.append(answers.scores.shape)
        return fit(answers) or calibration.MatchCalibration(20.0, 10.0)

    monkeypatch.setattr(calibration, "fit_calibration", fitted)
    (model,) = seds_eval(make_run("run"), calibrate=True, as_json=True)
    assert seen == [(2, 2), (2, 2)]
    values = json.loads(capsys.readouterr().out)["models"][0]["certainty"]["text_to_video"]
    assert values["calibration"]["sharpness"] == model.calibrations["text_to_video"].sharpness
    assert sum(values["reliability"]["counts"]) == 5 * 5 + 5 * 4
