"""Names the videos whose numbers are not finite, each of whose steps is skipped."""

from rich.markup import escape

from seds_core.console import warn
from train.data.finite_numbers import ADVICE, NOT_FINITE, named
from train.training.observer import RunObserver, StepRecord, ValidationRecord


class UnusableVideos(RunObserver):
    """Warns of every such video once, and counts the steps that they cost."""

    def __init__(self) -> None:
        """None yet."""
        self._known: set[str] = set()
        self._num_steps = 0

    def step(self, record: StepRecord) -> None:
        """A step is done, or was skipped."""
        self._num_steps += bool(record.unusable_videos)
        new = [video for video in record.unusable_videos if video not in self._known]
        self._known.update(new)
        if new:
            told = f"step {record.step:,} is skipped: the features of {named(new)} {NOT_FINITE}"
            warn(escape(f"{told}; {ADVICE}"))

    def validation(self, record: ValidationRecord) -> None:
        """Refuses such videos itself."""

    def pause(self) -> None:
        """Shows nothing that would be in the way."""

    def tell_end(self) -> None:
        """What they have cost this start of the run, if anything."""
        if self._num_steps:
            names = named(sorted(self._known))
            told = f"{self._num_steps:,} steps were skipped: the features of {names} {NOT_FINITE}"
            warn(escape(f"{told}; {ADVICE}"))
