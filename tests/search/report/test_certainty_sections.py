"""The report's sections about hubs, and about known and unknown queries."""

import re

import numpy as np

from search.report.certainty_sections import certainty_section, hub_section
from train.evaluation.calibration import MatchCalibration
from train.evaluation.load_model import EvaluatedModel
from train.evaluation.metrics import BankScores, SplitScores, build_gallery


def model(calibrations=None, videos=12):
    """The first sentence is a hub: every video scores it higher than its own."""
    generator = np.random.default_rng(0)
    gallery = build_gallery(
        "test", [f"v{n}" for n in range(videos)], [f"sentence {n}" for n in range(videos)]
    )
    scores = generator.uniform(0, 0.1, (videos, videos)) + 0.5 * np.eye(videos)
    bank = generator.uniform(0, 0.1, (30, videos))
    for values in (scores, bank):
        values[:, 0] += 0.6
    of_videos = generator.uniform(0, 0.1, (videos, 20))
    streams = {"rgb": scores.astype(np.float32)}
    banks = {"rgb": BankScores(of_videos.astype(np.float32), bank.astype(np.float32))}
    split = SplitScores(gallery, streams, banks)
    return EvaluatedModel("<run>", {"stage": "rgb"}, split, None, calibrations or {})


def test_a_hub_is_shown_by_what_its_absence_wins():
    shown = "".join(hub_section([model()], "expected"))
    assert "&lt;run&gt;" in shown
    words = re.sub(r"<[^>]*>", " ", shown).split("video to sentence")[1:]
    recall = [" ".join(of.split()[:3]) for of in words]
    assert recall == ["as they are", "mean off 100.0", "spread off 100.0", "QB-Norm 100.0 100.0"]
    assert words[0].split()[3] == "8.3"


def test_a_reliability_figure_says_what_it_shows():
    calibrations = {"text_to_video": MatchCalibration(30.0, 10.0)}
    shown = "".join(map(str, certainty_section(model(calibrations))))
    assert "Reliability, sentence to video: " in shown
    assert "Reliability, video to sentence" not in shown
    assert "as said" in shown
    assert "nothing fits" in shown


def test_without_probabilities_the_section_says_how_to_have_them():
    shown = "".join(map(str, certainty_section(model())))
    assert "--calibrate" in shown
    assert "Reliability" not in shown
    assert "single sentence" in "".join(map(str, certainty_section(model(videos=1))))
