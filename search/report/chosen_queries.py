"""Which queries of an evaluation are worth a look: those it answers best, and worst."""

from dataclasses import dataclass

import numpy as np

from train.evaluation.metrics import SplitScores


@dataclass(frozen=True)
class ChosenQuery:
    """A sentence, its best correct video, and the best wrong one."""

    text: int
    rank: float
    """Expected rank of the correct video among all."""
    video: int
    score: float
    wrong_video: int | None
    """``None`` where all videos have the sentence."""
    wrong_score: float

    @property
    def margin(self) -> float:
        """How much higher the correct video scores; negative where a wrong one is before it."""
        return self.score - self.wrong_score


def chosen_queries(
    scores: SplitScores, stream: str, *, num_best: int, num_worst: int
) -> tuple[list[ChosenQuery], list[ChosenQuery]]:
    """Returns the best queries, clearest first, and the worst ones, worst first.

    Best are first ranks by how far the next wrong video is behind; worst are the largest ranks, of
    equal ones those with the farthest lead of a wrong video. A query that is right is none of the
    worst, and one that is wrong none of the best.
    """
    queries = [_query(scores, stream, text) for text in range(len(scores.gallery.sentences))]
    right = sorted((q for q in queries if q.rank == 1), key=lambda q: (-q.margin, q.text))
    others = sorted((q for q in queries if q.rank > 1), key=lambda q: (-q.rank, q.margin, q.text))
    return right[:num_best], others[:num_worst]


def _query(scores: SplitScores, stream: str, text: int) -> ChosenQuery:
    ranks = scores.ranks[stream]["text_to_video"]
    # A sentence at a time: the scores of a large split are in memory once, not twice.
    of_videos = scores.scores[stream][:, text]
    wrong = np.where(scores.gallery.text_of_video == text, -np.inf, of_videos)
    video, best_wrong = int(ranks.best_correct[text]), int(wrong.argmax())
    return ChosenQuery(
        text,
        float(ranks.expected[text]),
        video,
        float(of_videos[video]),
        best_wrong if np.isfinite(wrong[best_wrong]) else None,
        float(wrong[best_wrong]),
    )
