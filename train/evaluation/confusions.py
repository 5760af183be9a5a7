"""Which sentences a model takes for each other, in the videos that it gives the wrong sentence."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from train.evaluation.split_scores import SplitScores


@dataclass(frozen=True)
class Confusion:
    """Videos of one sentence for which another one has the highest score."""

    sentence: str
    taken_for: str
    num_videos: int
    of_videos: int
    """Videos of the sentence in all."""
    margin: float
    """Mean of how much higher the other sentence's score is."""


def most_confused(scores: SplitScores, stream: str, count: int) -> list[Confusion]:
    """At most ``count`` pairs: those of most videos first, of equally many the clearest.

    A video whose own sentence shares the highest score is not confused.
    """
    gallery, ranks = scores.gallery, scores.ranks[stream]["video_to_text"]
    margins: dict[tuple[int, int], list[float]] = defaultdict(list)
    for video in np.flatnonzero(ranks.num_better):
        own, other = int(gallery.text_of_video[video]), int(ranks.top_candidate[video])
        of_video = scores.scores[stream][video]
        margins[own, other].append(float(of_video[other] - of_video[own]))
    videos_of_text = np.bincount(gallery.text_of_video)
    confusions = [
        Confusion(
            gallery.sentences[own],
            gallery.sentences[other],
            len(values),
            int(videos_of_text[own]),
            fmean(values),
        )
        for (own, other), values in margins.items()
    ]
    return sorted(confusions, key=lambda c: (-c.num_videos, -c.margin))[:count]
