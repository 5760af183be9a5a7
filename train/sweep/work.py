"""One process of a sweep: it trains a run and scores its validation split, or scores another split.

``python -m train.sweep.work WORK`` does what a sweep has asked for, in JSON. It is asked to stop by
the end of its standard input, which comes with the end of the sweep however that ends; a training
then saves its state.
"""

import json
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock

from seds_core.command_line import run
from train.checkpoints.run_folder import RunFolder
from train.evaluation.evaluate import evaluate
from train.evaluation.kept_hits import KeptHits
from train.settings import Stage
from train.training.run import EXIT_DONE, train

SECONDS_TO_SAVE = 120.0
"""How long an earlier process of the run, whose sweep was killed, may take to save and end."""


@dataclass(frozen=True)
class Work:
    """What a process is asked to do, in plain values."""

    name: str
    """As progress and messages name it."""
    folder: str
    """The run's."""
    hits: str
    """File that says which queries the run answers; written last."""
    log: str
    """File of the process's messages."""
    split: str
    """Split that is scored."""
    is_training: bool
    """Trains the run to its end before; otherwise its best checkpoint is there."""
    stage: Stage
    pipelines: str
    pipeline: str
    seed: int
    init: tuple[str, ...]
    threads: int
    device: str
    working_folder: str
    """Relative paths of the settings begin here."""

    def command(self, device: str) -> list[str]:
        """The command line of a process that does this work on a device."""
        values = json.dumps(asdict(self) | {"device": device})
        return [sys.executable, "-m", "train.sweep.work", values]


def carry_out(work: Work) -> None:
    """Does the work in this process; ends it with the training's exit code where that stops."""
    torch.set_num_threads(work.threads)
    folder = RunFolder(Path(work.folder))
    if work.is_training:
        if folder.lock.exists():
            with FileLock(folder.lock, timeout=SECONDS_TO_SAVE):
                pass  # whoever held it has saved and ended
        can_go_on = folder.last.exists()
        exit_code = train(
            work.stage,
            run_dir=folder.path,
            pipeline=work.pipeline,
            pipelines=Path(work.pipelines),
            init=() if can_go_on else [Path(path) for path in work.init],
            seed=work.seed,
            device=work.device,
            resume=can_go_on,
        )
        if exit_code != EXIT_DONE:
            sys.exit(exit_code)
    (model,) = evaluate([folder.path], split=work.split, device=work.device)
    KeptHits.of(model.scores).write(Path(work.hits))


def _stop_with_the_sweep() -> None:
    # The bare descriptor: a thread that waits in Python's own stdin blocks the interpreter's end.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Runs the program."""
    values = json.loads(sys.argv[1])
    work = Work(**values | {"init": tuple(values["init"])})
    threading.Thread(target=_stop_with_the_sweep, daemon=True).start()
    run(partial(carry_out, work))


if __name__ == "__main__":
    main()
