"""Scores without hubs: what a candidate scores with any query at all is taken off its scores.

Some candidates are near to nearly every query, and stand first for many that mean another one
(hubs; Radovanovic et al., JMLR 2010). How near a candidate is to queries as such is told by a bank
of queries from the *training* split, which is as good as any for it: none of the queries that are
evaluated or asked takes part. With s(q, c) the score of query q and candidate c, and b running over
the bank B:

- ``mean``: s(q, c) - m_c, with m_c the mean of s(b, c);
- ``spread``: (s(q, c) - m_c) / d_c, with d_c their standard deviation: Z-norm of speaker
  verification (Auckenthaler et al., Digital Signal Processing 2000);
- ``query_bank``: query-bank normalisation (Bogolin et al., CVPR 2022, arXiv 2112.12777), which is
  the inverted softmax exp(beta s(q, c)) / sum_b exp(beta s(b, c)) of Smith et al. (ICLR 2017), for
  those queries alone whose first candidate is activated: it is first for a query of the bank. The
  others keep their scores (dynamic inverted softmax). Here its logarithm stands, divided by beta
  and with the mean over b in place of the sum, which leaves every query's order as it is.

So all three are one affine map a candidate, slope s(q, c) + offset, with a slope above zero.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from train.evaluation import Normalisation

NORMALISATIONS: tuple[Normalisation, ...] = ("mean", "spread", "query_bank")

BETA = 20.0
"""Of the inverted softmax: the value of the release of QB-Norm."""

SMALLEST_DEVIATION = 1e-3
"""Scores lie between -1 and 1: a smaller spread over a bank says nothing of a candidate."""


@dataclass(frozen=True)
class BankStatistics:
    """How candidates score with the queries of a bank."""

    mean: Float[np.ndarray, " candidate"]
    deviation: Float[np.ndarray, " candidate"]
    soft_mean: Float[np.ndarray, " candidate"]
    """log mean_b exp(beta s(b, c)) / beta: between the mean and the largest."""

    def map_of(
        self, how: Normalisation
    ) -> tuple[Float64[np.ndarray, " candidate"], Float64[np.ndarray, " candidate"]]:
        """Returns slopes, all above zero, and offsets: a normalised score is slope s + offset."""
        if how == "spread":
            slope = 1 / np.maximum(self.deviation.astype(np.float64), SMALLEST_DEVIATION)
            return slope, -slope * self.mean
        taken = self.mean if how == "mean" else self.soft_mean
        return np.ones(len(taken)), -taken.astype(np.float64)


def bank_statistics(bank: Float[np.ndarray, "query candidate"]) -> BankStatistics:
    """Returns how candidates score with a bank of at least one query."""
    values = bank.astype(np.float64)
    largest = values.max(axis=0)
    weights = np.exp(BETA * (values - largest))
    soft_mean = largest + np.log(weights.mean(axis=0)) / BETA
    return BankStatistics(values.mean(axis=0), values.std(axis=0), soft_mean)


def activated(bank: Float[np.ndarray, "query candidate"]) -> Bool[np.ndarray, " candidate"]:
    """Returns which candidates are first for a query of the bank: QB-Norm's activation set."""
    is_first = np.zeros(bank.shape[1], bool)
    is_first[bank.argmax(axis=1)] = True
    return is_first


def normalised(
    scores: Float[np.ndarray, "query candidate"],
    bank: Float[np.ndarray, "_query candidate"],
    how: Normalisation,
) -> Float64[np.ndarray, "query candidate"]:
    """Normalises scores of queries by how the same candidates score with a bank of other queries.

    Of ``query_bank``, queries whose first candidate is not activated keep their scores.
    """
    slope, offset = bank_statistics(bank).map_of(how)
    found = slope * scores + offset
    if how == "query_bank":
        is_changed = activated(bank)[scores.argmax(axis=1)]
        found = np.where(is_changed[:, None], found, scores)
    return found
