"""How likely a hit is right, and whether anything is: from scores to calibrated probabilities.

A query has N possible answers, of which one is right or none: sentences for a video, and for a
sentence the sentences of the videos, each with the score of its best video. With r(s) the ratio of
how often a right and a wrong answer score s, an even chance that the right answer is there, and one
answer as likely as another beforehand, Bayes' rule gives

    P(i is right) = r(s_i) / (sum_j r(s_j) + N),        P(none is) = N / (sum_j r(s_j) + N).

With log r(s) = a s - b this is a softmax of temperature 1/a over the scores, among which "none" has
the logit log N + b (temperature scaling: Guo et al., ICML 2017; the ratio: Brümmer and du Preez,
Computer Speech and Language 2006). Both numbers are those of the largest likelihood on a validation
split, each of whose queries asks twice: with its right answer among the others, and without it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from train.evaluation.metrics import NUM_RESAMPLES, PERCENTILES, SEED, Gallery, SplitScores
from train.evaluation.ranks import DIRECTIONS, Direction

BEST_ANSWERS = 10
"""Answers that compete with each other; what scores less is part of "none"."""

FEWEST_QUERIES = 20
"""Of a validation split: a fit to fewer says nothing."""

DENIED_AT = 0.9
"""Probability that none is right, from which on users are told that nothing fits."""

NUM_BINS = 10

PRIOR = 10.0
"""Standard deviation of the parameters' normal prior, in standard deviations of the scores. It only
matters where every right answer scores above every wrong one, and keeps certainty out."""


@dataclass(frozen=True)
class AnswerScores:
    """Scores of queries with their possible answers, of which one is right."""

    scores: Float[np.ndarray, "query candidate"]
    right: Int64[np.ndarray, " query"]

    @property
    def is_right(self) -> Bool[np.ndarray, "query candidate"]:
        """Where the right answers are."""
        return self.right[:, None] == np.arange(self.scores.shape[1])

    @property
    def without_right(self) -> Float[np.ndarray, "query candidate"]:
        """The scores of queries that have no right answer: it scores nothing here."""
        return np.where(self.is_right, -np.inf, self.scores)


def answer_scores(
    scores: Float[np.ndarray, "video text"], gallery: Gallery, direction: Direction
) -> AnswerScores:
    """Returns what the queries of one direction score with the sentences of a split."""
    if direction == "video_to_text":
        return AnswerScores(scores, gallery.text_of_video)
    by_text = np.argsort(gallery.text_of_video, kind="stable")
    num_texts = scores.shape[1]
    starts = np.searchsorted(gallery.text_of_video[by_text], np.arange(num_texts))
    # Rows are queries, columns the sentences whose best video counts.
    of_texts = np.maximum.reduceat(scores[by_text], starts, axis=0).T
    return AnswerScores(of_texts, np.arange(num_texts))


@dataclass(frozen=True)
class KnownOrUnknown:
    """How well the best score tells queries whose answer is there from those without one."""

    auroc: float
    """Probability that a query with an answer scores above one without; 0.5 is chance."""
    interval: tuple[float, float]
    """95 %, by a bootstrap over queries."""


def known_or_unknown(answers: AnswerScores, *, seed: int = SEED) -> KnownOrUnknown | None:
    """Compares each query's best score with and without its right answer among the others.

    ``None`` for a single answer: nothing is left without it.
    """
    if answers.scores.shape[1] < 2:
        return None
    known, unknown = answers.scores.max(axis=1), answers.without_right.max(axis=1)
    # A query that is drawn several times counts as often, with its answer and without.
    is_above = (known[:, None] > unknown) + 0.5 * (known[:, None] == unknown)
    num_queries, generator = len(known), np.random.default_rng(seed)
    even = np.full(num_queries, 1 / num_queries)
    times = generator.multinomial(num_queries, even, NUM_RESAMPLES).astype(np.float64)
    resampled = ((times @ is_above) * times).sum(axis=1) / num_queries**2
    low, high = np.percentile(resampled, PERCENTILES)
    return KnownOrUnknown(auroc(known, unknown), (float(low), float(high)))


def auroc(positive: Float[np.ndarray, " _"], negative: Float[np.ndarray, " _"]) -> float:
    """Probability that a positive value lies above a negative one; equal ones count half.

    >>> auroc(np.array([3.0, 2.0]), np.array([1.0, 2.0]))
    0.875
    """
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    not_above = np.searchsorted(ordered, positive, side="right")
    return float((below + not_above).mean() / (2 * len(negative)))


@dataclass(frozen=True)
class MatchCalibration:
    """From the scores of a query's best answers to their probabilities."""

    sharpness: float
    """a of the module's docstring, above zero: one over the temperature."""
    none_logit: float
    """b: the logit of "none" for a single answer."""

    def probabilities(
        self,
        best: Float[np.ndarray, "query hit"],
        num_answers: Int64[np.ndarray, " query"],
    ) -> tuple[Float64[np.ndarray, "query hit"], Float64[np.ndarray, " query"]]:
        """Returns the probability of each answer to be right, and that none of them is.

        ``best`` are the best :data:`BEST_ANSWERS` of ``num_answers``, -inf where there are fewer.
        """
        logits = _logits(self.sharpness, self.none_logit, best, num_answers)
        values = _softmax(logits)
        return values[:, :-1], values[:, -1]


def fit_calibration(answers: AnswerScores) -> MatchCalibration | None:
    """Fits the probabilities to a validation split.

    ``None`` where that has too few queries, or right answers score no higher than wrong ones.
    """
    if len(answers.right) < FEWEST_QUERIES or answers.scores.shape[1] < 2:
        return None
    trial = _both_ways(answers)
    mean, deviation = float(answers.scores.mean()), float(answers.scores.std()) or 1.0
    best = (trial.best - mean) / deviation
    parameters, before = np.zeros(2), np.inf
    # Newton's method: two numbers, and a convex function of them.
    for _ in range(100):
        loss, gradient, hessian = _loss(parameters, best, trial)
        if before - loss < 1e-12 * (1 + abs(loss)):
            break
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while _loss(parameters - size * step, best, trial)[0] > loss and size > 1e-6:
            size /= 2
        parameters, before = parameters - size * step, loss
    sharpness = float(parameters[0]) / deviation
    if sharpness <= 0:
        return None
    return MatchCalibration(sharpness, float(parameters[1]) + sharpness * mean)


def fit_both_ways(scores: SplitScores, stream: str) -> dict[Direction, MatchCalibration]:
    """Fits the probabilities of a stream to a validation split, where they can be fitted."""
    found = {
        direction: fit_calibration(answer_scores(scores.scores[stream], scores.gallery, direction))
        for direction in DIRECTIONS
    }
    return {direction: fitted for direction, fitted in found.items() if fitted is not None}


@dataclass(frozen=True)
class Reliability:
    """How well probabilities held on another split than the one they were fitted to."""

    predicted: tuple[float, ...]
    """Mean probability of the hits in each bin that has some."""
    found: tuple[float, ...]
    """Fraction of them that are right."""
    counts: tuple[int, ...]
    error: float
    """Expected calibration error: the mean distance of both, weighted by the hits."""
    known_denied: float
    """Fraction of the queries with an answer that would be told that nothing fits."""
    unknown_denied: float
    """The same of those without an answer."""


def reliability(calibration: MatchCalibration, answers: AnswerScores) -> Reliability:
    """Compares the probabilities of the best answers with how often they are right."""
    trial = _both_ways(answers)
    probabilities, none = calibration.probabilities(trial.best, trial.num_answers)
    is_hit = np.isfinite(trial.best)
    values, right = probabilities[is_hit], trial.is_right[is_hit]
    bins = np.minimum((values * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    counts = np.bincount(bins, minlength=NUM_BINS)
    some = counts > 0
    predicted = np.bincount(bins, values, NUM_BINS)[some] / counts[some]
    found = np.bincount(bins, right, NUM_BINS)[some] / counts[some]
    denied = none >= DENIED_AT
    num_queries = len(answers.right)
    return Reliability(
        predicted=tuple(predicted.tolist()),
        found=tuple(found.tolist()),
        counts=tuple(counts[some].tolist()),
        error=float(np.abs(predicted - found) @ counts[some] / counts.sum()),
        known_denied=float(denied[:num_queries].mean()),
        unknown_denied=float(denied[num_queries:].mean()),
    )


@dataclass(frozen=True)
class Certainty:
    """What one direction's scores say beyond the order of the answers."""

    known: KnownOrUnknown
    calibration: MatchCalibration | None
    reliability: Reliability | None
    """Of the probabilities, on the split that was evaluated."""


def certainty_of(
    scores: SplitScores,
    stream: str,
    direction: Direction,
    calibration: MatchCalibration | None = None,
) -> Certainty | None:
    """Measures a stream's scores of one direction; ``None`` for a split of a single sentence."""
    answers = answer_scores(scores.scores[stream], scores.gallery, direction)
    known = known_or_unknown(answers)
    if known is None:
        return None
    held = reliability(calibration, answers) if calibration else None
    return Certainty(known, calibration, held)


@dataclass(frozen=True)
class _Trial:
    """Every query twice: with its right answer, then without."""

    best: Float[np.ndarray, "query hit"]
    is_right: Bool[np.ndarray, "query hit"]
    num_answers: Int64[np.ndarray, " query"]


def _both_ways(answers: AnswerScores) -> _Trial:
    scores = np.concatenate([answers.scores, answers.without_right]).astype(np.float64)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :BEST_ANSWERS]
    best = np.take_along_axis(scores, order, axis=1)
    is_right = (np.concatenate([answers.right] * 2)[:, None] == order) & np.isfinite(best)
    num_queries, num_answers = answers.scores.shape
    return _Trial(best, is_right, np.repeat([num_answers, num_answers - 1], num_queries))


def _logits(
    sharpness: float,
    none_logit: float,
    best: Float[np.ndarray, "query hit"],
    num_answers: Int64[np.ndarray, " query"],
) -> Float64[np.ndarray, "query _hit"]:
    hits = np.full(best.shape, -np.inf)
    np.multiply(best, sharpness, where=np.isfinite(best), out=hits)
    return np.column_stack([hits, np.log(np.maximum(num_answers, 1)) + none_logit])


def _softmax(logits: Float64[np.ndarray, "query hit"]) -> Float64[np.ndarray, "query hit"]:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _loss(
    parameters: Float64[np.ndarray, "2"], best: Float[np.ndarray, "query hit"], trial: _Trial
) -> tuple[float, Float64[np.ndarray, "2"], Float64[np.ndarray, "2 2"]]:
    """Negative logarithm of likelihood and prior, its gradient and its second derivatives."""
    probabilities = _softmax(
        _logits(float(parameters[0]), float(parameters[1]), best, trial.num_answers)
    )
    label = np.column_stack([trial.is_right, ~trial.is_right.any(axis=1)])
    loss = -np.log(np.maximum(probabilities[label], 1e-300)).sum()
    # Each logit is linear in both parameters, with a score and whether it is "none" as factors.
    score = np.column_stack([np.where(np.isfinite(best), best, 0), np.zeros(len(best))])
    is_none = np.zeros_like(score)
    is_none[:, -1] = 1
    factors = np.stack([score, is_none], axis=2)
    expected = np.einsum("qh,qhp->qp", probabilities, factors)
    gradient = expected.sum(axis=0) - factors[label].sum(axis=0)
    second = np.einsum("qh,qhp,qhr->pr", probabilities, factors, factors) - expected.T @ expected
    prior = parameters / PRIOR**2
    return loss + 0.5 * float(parameters @ prior), gradient + prior, second + np.eye(2) / PRIOR**2
