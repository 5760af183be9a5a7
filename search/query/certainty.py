"""How likely the hits of a query are right, and what is said where nothing fits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from search.results import Hit, SentenceHit
from train.evaluation.calibration import BEST_ANSWERS, DENIED_AT, MatchCalibration

AnyHit = TypeVar("AnyHit", Hit, SentenceHit)

NOTHING_FITS = (
    "perhaps nothing like it is here: on the model's validation split right answers score higher; "
    "signs of people it has not learned from may score as low"
)


def with_probabilities(
    hits: Sequence[AnyHit], calibration: MatchCalibration | None, num_answers: int
) -> tuple[list[AnyHit], float | None]:
    """Returns hits, best first, with their probabilities, and that of none being right.

    Videos of one sentence are one answer, and share its probability. ``num_answers`` were searched.
    Without a calibration nothing is known.
    """
    if calibration is None or not hits:
        return list(hits), None
    # The first hit of an answer is its best one; a video without a sentence is an answer itself.
    scores: dict[str | int, float] = {}
    answers = [hit.text or hit.rank for hit in hits]
    for answer, hit in zip(answers, hits, strict=True):
        scores.setdefault(answer, hit.ranked_by)
    best = np.array(list(scores.values())[:BEST_ANSWERS])
    probabilities, none = calibration.probabilities(best[None], np.array([num_answers]))
    # Answers behind the best ones do not compete with them: theirs follow from their scores.
    found = {
        answer: float(probabilities[0, 0] * np.exp(calibration.sharpness * (score - best[0])))
        for answer, score in scores.items()
    }
    told = [
        replace(hit, probability=found[answer]) for answer, hit in zip(answers, hits, strict=True)
    ]
    return told, float(none[0])


def denial(none_probability: float | None) -> list[str]:
    """Returns the sentence for users where nothing fits, and none otherwise."""
    if none_probability is None or none_probability < DENIED_AT:
        return []
    return [NOTHING_FITS]
