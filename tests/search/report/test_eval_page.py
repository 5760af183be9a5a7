"""The report of an evaluation, from a trained run to the file."""

import numpy as np
import pytest


def reported(folder, *runs, ties="expected", split="train", **options):
    """The library calls behind ``seds-eval --report``."""
    from search.report.eval_page import EvalReport
    from train.evaluation.evaluate import evaluate

    page = EvalReport(folder, len(runs), ties)
    models = evaluate(runs, split=split, device="cpu", workers=0, look=page.look, **options)
    page.write(models)
    return models


@pytest.fixture
def here(trained, monkeypatch):
    """The folder that paths of the stores are relative to, with the films of two videos."""
    from extract.videos.video_writing import write_video

    monkeypatch.chdir(trained)
    for name, num_frames in (("a", 30), ("c", 95)):
        frames = (np.full((48, 64, 3), 2 * n, np.uint8) for n in range(num_frames))
        write_video(trained / f"{name}.mp4", frames, 25.0)
    return trained


def test_a_run_has_all_sections(here, tmp_path, read_page):
    (model,) = reported(tmp_path / "report", here / "runs" / "run")
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["index.html"]
    page = read_page(tmp_path / "report" / "index.html")
    titles = [link for link in page.all("a") if link["href"].startswith("#")]
    assert [link["href"][1:] for link in titles] == [
        "recall", "ranks", "certainty", "training", "groups", "confusion", "best", "worst",
        "attention", "facts",
    ]  # fmt: skip
    metrics = model.scores.metrics("fusion", "text_to_video")
    low, high = metrics.intervals()["R@1"]
    assert f"{metrics.recall[1]:.1f}{low:.1f} to {high:.1f}" in page.text
    for text in ("Ada", "Bo", "signer", "best.pt", "pose takes from rgb", "The best epoch"):
        assert text in page.text
    # Each video that is shown has stills, or the reason why not.
    assert page.all("img")
    assert "No pictures: does not exist" in page.text
    assert len((tmp_path / "report" / "index.html").read_bytes()) < 2e6


def test_two_runs_are_compared(here, tmp_path, read_page):
    import shutil

    shutil.copytree(here / "runs" / "run", tmp_path / "same")
    (tmp_path / "same" / "metrics.jsonl").unlink()
    reported(tmp_path / "report", here / "runs" / "run", tmp_path / "same", ties="published")
    page = read_page(tmp_path / "report" / "index.html")
    assert "randomisation test" in page.text
    assert "Both models give every sentence the same rank." in page.text
    assert "standard deviation (n - 1) of the 2 models" in page.text
    assert page.text.count("log cannot be read") == 1
    # A model equals itself.
    assert "+0.0+0.0 to +0.00 / 01" in page.text


def test_a_checkpoint_of_one_stream_in_another_folder(here, tmp_path, read_page):
    from small_training import small_request

    from train.training.run import train

    assert train(**small_request(here, "rgb", stage="rgb", pose=None)) == 0
    reported(tmp_path, here / "runs" / "rgb", split="dev")
    page = read_page(tmp_path / "index.html")
    assert "attention" not in [section.get("id") for section in page.all("section")]
    assert "pose" not in page.text.split("What was evaluated")[0].split("Best queries")[1]


def test_models_beyond_the_first_ones_say_so():
    from search.report.eval_page import Findings, _attended, _cards

    none = Findings((), (), (), (), {})
    for parts in (_cards(none, "best"), _cards(none, "worst"), _attended(none)):
        assert "Shown of the first models only." in "".join(parts)


def test_a_folder_that_cannot_be_made_is_told_before_the_work(tmp_path):
    from search.report.eval_page import EvalReport

    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        EvalReport(tmp_path / "file", 1, "expected")


def test_better_and_worse_queries_of_a_second_model(evaluated):
    from dataclasses import replace

    from search.report.scores_sections import comparison_section

    model, *_ = evaluated
    gallery = model.scores.gallery
    right = np.eye(len(gallery.sentences), dtype=np.float32)[gallery.text_of_video]
    wrong = np.roll(right, 1, axis=1)
    first, second = (
        replace(model, name=name, scores=replace(model.scores, scores=dict.fromkeys(
            model.scores.streams, values)))
        for name, values in (("first", wrong), ("second", right))
    )  # fmt: skip
    shown = "".join(comparison_section(first, second, "expected"))
    num_texts = len(gallery.sentences)
    assert f'<td class="n">{num_texts} / 0</td>' in shown
    assert "+100.0" in shown
    backwards = "".join(comparison_section(second, first, "expected"))
    assert "-100.0" in backwards


def test_confusions_of_frequent_sentences(evaluated):
    from dataclasses import replace

    from search.report.scores_sections import confusion_section, frequent_sentences

    model, *_ = evaluated
    gallery = model.scores.gallery
    right = np.eye(len(gallery.sentences), dtype=np.float32)[gallery.text_of_video]
    perfect = replace(model.scores, scores=dict.fromkeys(model.scores.streams, right))
    (told,) = confusion_section(replace(model, scores=perfect))
    assert "own sentence has the highest score" in told
    confused = right.copy()
    confused[0] = np.roll(right[0], 2)
    found = replace(model, scores=replace(perfect, scores={"fusion": confused}))
    # The sentence of two videos comes first, then those of the confusion.
    assert [gallery.sentences[text] for text in frequent_sentences(found)][:3] == [
        "rain in the north", "good morning", "the sun",
    ]  # fmt: skip
    shown = "".join(confusion_section(found))
    assert "2. good morning" in shown
    num_videos = len(gallery.video_ids)
    assert f"{num_videos - 1} of {num_videos} are right" in shown
