import json

import numpy as np
import pytest
from shared_data import golden_path

from train.evaluation.metrics import measure, settle_published
from train.evaluation.ranks import DIRECTIONS, published_ranks, rank_both_ways

GOLDEN_NAMES = {"text_to_video": "t2v", "video_to_text": "v2t"}


@pytest.mark.golden
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_published_figures(direction):
    golden = json.loads(golden_path("metrics.json").read_text())
    text_of_video = np.array(golden["text_of_video"])
    ranks = published_ranks(np.array(golden["sim"]), text_of_video, text_of_video)
    ours = measure(settle_published(ranks[direction], direction))
    figures = {f"R{k}": recall for k, recall in ours.recall.items()} | {
        "MR": ours.median_rank,
        "MedianR": ours.median_rank,
        "MeanR": ours.mean_rank,
        "Std_Rank": ours.rank_deviation,
    }
    published = golden[GOLDEN_NAMES[direction]]
    assert published.keys() <= figures.keys()
    # Some of the published figures were computed in single precision.
    assert {name: np.float32(figures[name]) for name in published} == {
        name: np.float32(value) for name, value in published.items()
    }


def slow_published(scores, text_of_video, entry_of_video):
    """The rule in loops: sorted lists, and all places of the correct value."""
    num_entries = max(entry_of_video) + 1
    videos = [np.flatnonzero(entry_of_video == e) for e in range(num_entries)]
    sentence = [text_of_video[v[0]] for v in videos]
    text_to_video = []
    for entry in range(num_entries):
        best = [max(scores[v, sentence[entry]] for v in own) for own in videos]
        order = sorted(best, reverse=True)
        text_to_video += [i + 1 for i, value in enumerate(order) if value == best[entry]]
    video_to_text = []
    for row, entry in zip(scores, entry_of_video, strict=True):
        order = sorted(range(num_entries), key=lambda e, row=row: (-row[sentence[e]], e))
        video_to_text.append(order.index(entry) + 1)
    return {"text_to_video": text_to_video, "video_to_text": video_to_text}


def test_the_rule_with_ties_and_entries_that_share_a_sentence():
    generator = np.random.default_rng(5)
    entry_of_video = generator.permutation(np.concatenate([np.arange(12), [0, 3, 3, 11]]))
    text_of_entry = np.array([0, 1, 2, 3, 4, 5, 6, 6, 6, 0, 7, 8])
    text_of_video = text_of_entry[entry_of_video]
    scores = generator.integers(0, 6, (16, 9)).astype(np.float32)
    fast = published_ranks(scores, text_of_video, entry_of_video)
    slow = slow_published(scores, text_of_video, entry_of_video)
    assert {direction: ranks.tolist() for direction, ranks in fast.items()} == slow
    assert len(fast["text_to_video"]) > 12


def test_two_tied_entries_give_three_ranks():
    scores = np.array([[0.5, 0.1], [0.5, 0.2]])
    ranks = published_ranks(scores, np.arange(2), np.arange(2))["text_to_video"]
    assert ranks.tolist() == [1, 2, 1]


def test_a_sentence_ranks_entries_and_not_videos():
    """Two videos of one other sentence stand above the correct one: two places, or one."""
    scores = np.array([[0.1, 0.0], [0.2, 0.9], [0.3, 0.8]])
    text_of_video = np.array([0, 1, 1])
    published = published_ranks(scores, text_of_video, text_of_video)["text_to_video"]
    assert published.tolist() == [2, 1]
    assert rank_both_ways(scores, text_of_video)["text_to_video"].optimistic.tolist() == [3, 1]
