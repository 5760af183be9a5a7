"""How good a model is on the validation split, while it trains."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from seds_core.console import messages
from train.data.retrieval_data import RetrievalData
from train.evaluation.evaluate_split import evaluate_split
from train.model.retrieval_model import RetrievalModel
from train.settings import TrainSettings
from train.text.tokenizer import Tokenizer
from train.training.batch_norm import average_running_statistics
from train.training.processes import Processes


@dataclass(frozen=True)
class Validation:
    """Evaluates a model on the videos that choose the best epoch."""

    model: RetrievalModel
    data: RetrievalData
    tokenizer: Tokenizer
    settings: TrainSettings
    processes: Processes

    def __call__(self) -> dict[str, float]:
        """Stream -> mean of R@1 of both directions, in percent.

        The first process computes it; all of them call this at the same time and get it.
        """
        average_running_statistics(self.model, self.processes)
        with _without_bars_in_files():
            scores = self._scores() if self.processes.is_first else {}
        return self.processes.value_of_first(scores)

    def _scores(self) -> dict[str, float]:
        scores = evaluate_split(
            self.model,
            self.data,
            self.settings.data.validation_split,
            self.tokenizer,
            settings=self.settings,
            device=self.processes.device,
            workers=self.settings.data.workers,
        )
        return {stream: scores.mean_r1(stream) for stream in scores.streams}


@contextmanager
def _without_bars_in_files() -> Iterator[None]:
    """Keeps the progress of each validation out of a log that is no terminal."""
    before = messages.quiet
    messages.quiet = before or not messages.is_terminal
    try:
        yield
    finally:
        messages.quiet = before
