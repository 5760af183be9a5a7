"""Carries out the work of a sweep, several processes at a time, and tells how far it is."""

import json
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from train.sweep.work import Work
from train.training.loop import StopRequest

POLL_SECONDS = 0.2

TAIL_BYTES = 2**16
"""Of a log that is searched for its last error, and of metrics for their last line."""


@dataclass(frozen=True)
class Outcome:
    """How a piece of work ended."""

    work: Work
    exit_code: int
    """Of its process; negative: the signal that killed it."""

    @property
    def is_done(self) -> bool:
        """Whether the work is done."""
        return self.exit_code == 0

    @property
    def reason(self) -> str:
        """What the process said when it ended, or how it ended."""
        lines = tail_of(Path(self.work.log)).decode(errors="replace").splitlines()
        errors = [
            line.partition("error:")[2].strip() for line in lines if line.startswith("error:")
        ]
        if errors:
            return errors[-1]
        if self.exit_code < 0:
            return f"killed by {signal.Signals(-self.exit_code).name}"
        return f"exit code {self.exit_code}: {lines[-1].strip() if lines else 'no message'}"


@runtime_checkable
class Engine(Protocol):
    """Where processes run: on this machine, or on those of a cluster."""

    def start(self, work: Work) -> None:
        """Starts a process, or lets it wait for a place."""

    def ended(self) -> list[Outcome]:
        """Returns what has ended since the last call; waits a moment at most."""

    def stop(self) -> None:
        """Asks all processes to save their state and to end; they still count as running."""


class LocalProcesses:
    """Processes of this machine; with GPUs, one after the other in turn."""

    def __init__(self) -> None:
        self._running: list[tuple[Work, int, subprocess.Popen[bytes]]] = []

    def start(self, work: Work) -> None:
        """Starts a process with a place of its own."""
        taken = {place for _, place, _ in self._running}
        place = next(place for place in range(len(taken) + 1) if place not in taken)
        self._running.append((work, place, start_process(work, device_of(work.device, place))))

    def ended(self) -> list[Outcome]:
        """Returns what has ended since the last call."""
        time.sleep(POLL_SECONDS)
        done = [of for of in self._running if of[2].poll() is not None]
        self._running = [of for of in self._running if of not in done]
        for _, _, process in done:
            process.communicate()  # closes our end of its standard input
        return [Outcome(work, process.returncode) for work, _, process in done]

    def stop(self) -> None:
        """Sends SIGTERM to all processes."""
        for _, _, process in self._running:
            process.terminate()


def device_of(device: str, place: int) -> str:
    """The device of the process at a place: GPUs in turn, where the user has named none of them.

    >>> device_of("cpu", 3), device_of("cuda:1", 0)
    ('cpu', 'cuda:1')
    """
    num_gpus = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    return f"cuda:{place % num_gpus}" if num_gpus else device


def start_process(work: Work, device: str) -> subprocess.Popen[bytes]:
    """Starts a process that writes to the work's log and ends with this one.

    The signals of a terminal reach it through :meth:`Engine.stop` only.
    """
    path = Path(work.log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as log:
        # Our own commands, without a shell.
        return subprocess.Popen(  # nosec B603
            work.command(device),
            # Nothing is written to it: it is closed when this process ends, even by a SIGKILL.
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=work.working_folder,
            env=os.environ | {"OMP_NUM_THREADS": str(work.threads)},
            start_new_session=True,
        )


def carry_out_all(
    works: Sequence[Work],
    engine: Engine,
    jobs: int,
    stop: StopRequest,
    tell: Callable[[Sequence[Work], int], None],
) -> list[Outcome]:
    """Does all work, at most ``jobs`` at a time; returns how it ended, in the order of the ends.

    A request to stop is passed on, and what had not begun by then is left out. ``tell`` is given
    what is running and how much has ended, several times a second.
    """
    waiting, running, outcomes, is_stopping = deque(works), list[Work](), list[Outcome](), False
    while waiting or running:
        if stop.signal_number and not is_stopping:
            waiting.clear()
            engine.stop()
            is_stopping = True
        while waiting and len(running) < jobs:
            running.append(waiting.popleft())
            engine.start(running[-1])
        for outcome in engine.ended():
            running.remove(outcome.work)
            outcomes.append(outcome)
        tell(running, len(outcomes))
    return outcomes


def epochs_begun(work: Work) -> int:
    """The epoch that a run is in, from 1; 0 before its first step."""
    lines = tail_of(Path(work.folder) / "metrics.jsonl").splitlines(keepends=True)
    # A line may be half written, and the first of the tail half read.
    whole = [line for line in lines[1:] or lines if line.endswith(b"\n")]
    return int(json.loads(whole[-1])["epoch"]) if whole else 0


def tail_of(path: Path) -> bytes:
    """The last bytes of a file; none of a missing one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read()
    except FileNotFoundError:
        return b""
