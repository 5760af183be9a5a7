"""Damages stores, runs and settings at random, and tries ``seds-train`` and ``seds-eval`` on them.

    python benchmarks/training_damage.py --number 500

Prints how the commands ended, and ends with an error where one ended in a traceback. What a command
does not read, or cannot tell from a right file (a letter of a sentence), it does as ever.
"""

import argparse
import contextlib
import io
import os
import random
import shutil
import sys
import tarfile
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import search.eval_cli
import train.cli
from reference.damaged_stores import damage

ARCHIVE = Path(__file__).resolve().parents[1] / "tests/fixtures/made_before/run.tar.xz"
TRAIN = (
    "seds-train --stage rgb --pipelines data/pipelines.yaml --pipeline small "
    "--index data/index.csv --rgb rgb.zarr --device cpu --dry-run"
)
EVALUATE = "seds-eval --run runs/before --index data/index.csv --split train --device cpu"
COMMANDS: dict[str, Callable[[], None]] = {
    TRAIN: train.cli.main,
    f"{TRAIN} --resume --name before": train.cli.main,
    EVALUATE: search.eval_cli.main,
}
TRACEBACK = "traceback"
DAMAGED = (Path("rgb.zarr"), Path("runs"), Path("data"), Path("text_encoder"))
"""Folders of which a file is damaged, in turn; ``data`` holds index and pipelines."""


def main() -> None:
    """Damages copies of one small run in turn."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--number", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(whole, filter="data")
        (whole / "data").mkdir()
        for name in ("index.csv", "pipelines.yaml"):
            (whole / name).rename(whole / "data" / name)
        for turn in range(options.number):
            copy = Path(shutil.copytree(whole, Path(folder) / "copy"))
            os.chdir(copy)
            what = damage(DAMAGED[turn % len(DAMAGED)], random.Random(f"{options.seed} {turn}"))
            for command in COMMANDS:
                outcome = ended(command, f"turn {turn}, {what}")
                outcomes[f"{outcome}: {command}"] += 1
            os.chdir(folder)
            shutil.rmtree(copy)
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:5} {outcome}")
    sys.exit(any(outcome.startswith(TRACEBACK) for outcome in outcomes))


def ended(command: str, what: str) -> str:
    """How a command ended: its exit code, or a traceback, which is printed."""
    sys.argv = command.split()
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            COMMANDS[command]()
    except SystemExit as end:
        return f"exit code {end.code or 0}"
    except Exception:
        print(f"{what}, {command}:\n{traceback.format_exc()}", flush=True)
        return TRACEBACK
    return "exit code 0"


if __name__ == "__main__":
    main()
