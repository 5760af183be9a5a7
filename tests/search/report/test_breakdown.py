"""Scores by signer, source and length."""

import numpy as np
import pytest


@pytest.fixture
def scores():
    """Six videos of four sentences; video 5 is taken for another sentence."""
    from train.evaluation.metrics import SplitScores, build_gallery

    texts = ["sun", "sun", "rain", "wind and rain", "snow", "snow"]
    gallery = build_gallery("test", [f"v{n}" for n in range(6)], texts)
    values = np.eye(4, dtype=np.float32)[gallery.text_of_video]
    values[5] = [0.9, 0, 0, 0.1]
    return SplitScores(gallery, {"fusion": values})


def facts(columns, durations=(1, 1, 2, 2, 3, 3), num_clips=4):
    from search.report.breakdown import VideoFacts

    texts = ["sun", "sun", "rain", "wind and rain", "snow", "snow"]
    return [
        VideoFacts(f"v{n}", text, of_video, float(duration), num_clips)
        for n, (text, of_video, duration) in enumerate(zip(texts, columns, durations, strict=True))
    ]


def broken_down(scores, videos, ties="expected"):
    from search.report.breakdown import breakdowns

    return {found.name: found.groups for found in breakdowns(scores, "fusion", videos, ties)}


def test_signers(scores):
    signers = [{"signer": name} for name in ("Ada", "Bo", "Ada", "Ada", "Bo", "Bo")]
    ada, bo = broken_down(scores, facts(signers))["signer"]
    assert (ada.name, ada.num_videos, bo.name, bo.num_videos) == ("Ada", 3, "Bo", 3)
    assert ada.recall["video_to_text"] == 100
    assert bo.recall["video_to_text"] == pytest.approx(200 / 3)
    # The sentence of both signers' videos is no query of one of them.
    assert (ada.num_sentences, bo.num_sentences) == (2, 1)
    assert bo.recall["text_to_video"] == 100
    low, high = bo.intervals["video_to_text"]
    assert low < 200 / 3 < high


def test_a_group_without_queries_has_no_recall(scores):
    columns = [{"take": str(n % 2)} for n in range(6)]
    columns[2]["take"] = columns[3]["take"] = "0"
    one = broken_down(scores, facts(columns))["take"][1]
    assert one.num_sentences == 0
    assert one.recall["text_to_video"] is None
    assert one.intervals["text_to_video"] is None


def test_lengths_in_thirds(scores):
    groups = broken_down(scores, facts([{}] * 6))
    seconds = groups["seconds of the video"]
    assert [group.name for group in seconds] == ["1.00", "2.00", "3.00"]
    assert [group.recall["video_to_text"] for group in seconds] == [100, 100, 50]
    words = groups["words of the sentence"]
    assert [(group.name, group.num_videos) for group in words] == [("1", 5), ("3", 1)]
    # All videos have as many clips.
    assert "clips" not in groups


def test_columns_that_are_no_groups_are_left_out(scores):
    columns = [
        {"same": "x", "sentence_id": str(n % 2), "start": str(n % 2), "empty": "y" * (n % 2)}
        for n in range(6)
    ]
    groups = broken_down(scores, facts(columns, durations=[1] * 6))
    assert set(groups) == {"empty", "words of the sentence"}
    assert [group.name for group in groups["empty"]] == ["(none)", "y"]


def test_many_values_are_no_groups():
    from search.report.breakdown import MOST, breakdowns
    from train.evaluation.metrics import SplitScores, build_gallery

    count = MOST + 1
    names = [f"v{n}" for n in range(count)]
    from search.report.breakdown import VideoFacts

    videos = [VideoFacts(name, "w", {"signer": name}, 1.0, 2) for name in names]
    scores = SplitScores(build_gallery("t", names, ["w"] * count), {"rgb": np.ones((count, 1))})
    assert not list(breakdowns(scores, "rgb", videos, "published"))


def test_thirds_of_lengths_go_up():
    from search.report.breakdown import thirds

    values = np.random.default_rng(0).permutation(np.arange(9.0)).tolist()
    labels = thirds(values, ".0f")
    assert [label for _, label in sorted(zip(values, labels, strict=True))] == (
        ["0 to 2"] * 3 + ["3 to 5"] * 3 + ["6 to 8"] * 3
    )
    assert thirds([2.0] * 9, ".0f") == []
