"""The scores of all pairs of a split's videos and sentences, and the ranks that follow."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from train.evaluation.gallery import Gallery
from train.evaluation.published_ranks import published_ranks
from train.evaluation.ranks import DIRECTIONS, Direction, Ranks, rank_both_ways
from train.evaluation.request import TieRule
from train.evaluation.retrieval_metrics import (
    SettledRanks,
    measure,
    settle,
    settle_published,
)


@dataclass(frozen=True)
class SplitScores:
    """Scores by stream: ``fusion``, ``pose``, ``rgb``, as many as the model has."""

    gallery: Gallery
    scores: dict[str, Float[np.ndarray, "video text"]]
    """Stream -> scores; rows are videos, columns sentences, in the gallery's order."""

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams."""
        return tuple(self.scores)

    @cached_property
    def ranks(self) -> dict[str, dict[Direction, Ranks]]:
        """Stream -> direction -> ranks of all queries.

        Raises :class:`~train.evaluation.ranks.ScoreError` for scores that are not finite.
        """
        return {
            stream: rank_both_ways(scores, self.gallery.text_of_video)
            for stream, scores in self.scores.items()
        }

    def settled(self, stream: str, direction: Direction, rule: TieRule) -> SettledRanks:
        """Ranks of a stream and direction, with ties decided by a rule."""
        ranks = self.ranks[stream][direction]
        if rule != "published":
            return settle(ranks, rule)
        gallery = self.gallery
        counted = published_ranks(
            self.scores[stream], gallery.text_of_video, gallery.entry_of_video
        )
        return settle_published(counted[direction], direction)

    def mean_r1(self, stream: str) -> float:
        """Mean of R@1 of both directions, in percent; ties count by their expectation."""
        recalls = (
            measure(self.settled(stream, direction, "expected")).recall[1]
            for direction in DIRECTIONS
        )
        return sum(recalls) / len(DIRECTIONS)
