"""Scores of a split, how sure they are, and how they compare with those of papers."""

from typing import Literal

TieRule = Literal["expected", "optimistic", "pessimistic", "published"]
"""How candidates with equal scores are ordered: by the mean over all orders, in favour of the
correct answer, against it, or as the release of SEDS counts them."""

Which = Literal["best", "last"]
"""Which checkpoint of a run: that of the best validation score, or the newest."""

Normalisation = Literal["mean", "spread", "query_bank"]
"""What is taken off a candidate's scores, fitted on the training split: see
:mod:`train.evaluation.hubness`."""
