"""What has changed among the videos of a run is told by name."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from seds_core.dataset_index import IndexedVideo
from train.checkpoints.run_folder import TrainingVideos

BEFORE = TrainingVideos((("a", "I like tee"), ("b", "rain"), ("c", "rain")))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (
            [("a", "I like tea"), ("b", "rain"), ("c", "rain")],
            ["the sentence of a changed (I like tee -> I like tea)"],
        ),
        ([*BEFORE.pairs, ("d", "sun")], ["1 video more (d)"]),
        ([("c", "rain")], ["2 videos fewer (a, b)"]),
        ([*BEFORE.pairs[::-1]], ["the videos are in another order"]),
        (
            [("b", "rain"), ("a", "tea"), ("x", "sun")],
            [
                "the sentence of a changed (I like tee -> tea)",
                "1 video more (x)",
                "1 video fewer (c)",
                "the videos are in another order",
            ],
        ),
        (list(BEFORE.pairs), []),
    ],
    ids=["sentence", "more", "fewer", "order", "all", "none"],
)
def test_changes_have_names(pairs, expected):
    assert TrainingVideos(tuple(pairs)).changes_since(BEFORE) == expected


def test_many_changes_are_counted():
    before = TrainingVideos(tuple((f"v{number}", "old") for number in range(2000)))
    now = TrainingVideos(tuple((video_id, "new") for video_id, _ in before.pairs))
    *shown, rest = now.changes_since(before)
    assert (len(shown), rest) == (3, "1,997 sentences more changed")
    assert TrainingVideos(()).changes_since(before) == [
        "2,000 videos fewer (v0, v1, v2 and 1,997 more)"
    ]


def test_the_list_is_read_back_and_its_digest_is_the_files(tmp_path):
    path = tmp_path / "videos.json"
    BEFORE.write(path)
    assert TrainingVideos.read(path) == BEFORE
    assert hashlib.sha256(path.read_bytes()).hexdigest() == BEFORE.digest
    path.write_bytes(path.read_bytes()[:-3])
    assert TrainingVideos.read(path) is None
    assert TrainingVideos.read(tmp_path / "absent.json") is None


def test_the_digest_knows_sentences_and_their_order_as_earlier_versions_did():
    one, two = (IndexedVideo(v, Path(v), "train", t) for v, t in (("a", "hello"), ("b", "rain")))
    choices = ([one, two], [two, one], [one], [one, replace(two, text="sun")])
    assert len({TrainingVideos.of(videos).digest for videos in choices}) == 4
    moved = TrainingVideos.of([replace(one, split="x"), two])
    assert moved == TrainingVideos.of([one, two])
    text = json.dumps([("a", "hello"), ("b", "rain")])
    assert moved.digest == hashlib.sha256(text.encode()).hexdigest()
