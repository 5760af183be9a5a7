"""What is told about a run while it goes, and to whom: the files of the run, and the screen."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from train.training.step import StepReport


@dataclass(frozen=True)
class RunLength:
    """Sizes of a run."""

    epochs: int
    steps_per_epoch: int

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.epochs * self.steps_per_epoch


@dataclass(frozen=True)
class StepRecord:
    """A training step that is done."""

    step: int
    """Counted from 1 over the whole run."""
    epoch: int
    """Counted from 1."""
    report: StepReport
    samples_per_second: float
    """Of all processes together."""
    waiting: float
    """Share of the step's time that went by until the data was there."""
    unusable_videos: tuple[str, ...] = ()
    """Videos of all processes whose numbers are not finite: why the step was skipped."""


@dataclass(frozen=True)
class ValidationRecord:
    """A validation that is done."""

    step: int
    epoch: int
    mean_r1: dict[str, float]
    """Stream -> mean of R@1 of both directions, in percent."""
    score: float
    """Of the stream that chooses the best epoch."""
    best_score: float
    """Of the run so far, this one included."""


class RunObserver(ABC):
    """Somebody who is told."""

    @abstractmethod
    def step(self, record: StepRecord) -> None:
        """A step is done."""

    @abstractmethod
    def validation(self, record: ValidationRecord) -> None:
        """A validation is done."""

    @abstractmethod
    def pause(self) -> None:
        """Something else is about to be shown, or the run to end."""
