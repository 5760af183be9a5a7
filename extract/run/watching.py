"""What lets a run be watched: its log, its state for other machines, its metrics."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from extract.run.run_log import RunLog, log_beside, logged_run
from extract.run.run_state import RunState
from seds_core.metrics_server import served_metrics


@dataclass(frozen=True)
class WatchOptions:
    """How the user wants to watch a run."""

    log_file: Path | None = None
    """``None`` for the place beside the store."""
    metrics_port: str | None = None
    """``PORT`` or ``HOST:PORT``; ``None`` serves none."""


AS_USUAL = WatchOptions()
"""A log beside the store, and no metrics."""


@dataclass(frozen=True)
class Watching:
    """The listeners of a run."""

    log: RunLog
    state: RunState


@contextmanager
def watched_run(store: str | Path, options: WatchOptions) -> Iterator[Watching]:
    """Inside, a run's log is open and its metrics are served; raises ``UsageError`` where the
    user's choice of either cannot be had."""
    state = RunState()
    path = options.log_file or log_beside(store)
    with ExitStack() as stack:
        stack.enter_context(served_metrics(options.metrics_port, state.figures))
        log = stack.enter_context(logged_run(path, is_chosen=options.log_file is not None))
        yield Watching(log, state)
