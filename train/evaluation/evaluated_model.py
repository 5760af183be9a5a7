"""A model with its scores on a split, and what is told about it."""

from dataclasses import dataclass
from typing import Any

from train.evaluation.split_scores import SplitScores


@dataclass(frozen=True)
class EvaluatedModel:
    """One row of a comparison: a run's checkpoint, or a published one."""

    name: str
    facts: dict[str, Any]
    """Where the weights come from, stage, seed, settings: plain values."""
    scores: SplitScores
