"""Runs a tree's commands on one tiny video, and notes which of its files they call functions of.

``house.py`` says what counts. Every process of a command notes its calls, decoding and reading
processes too: the commands run with a ``sitecustomize`` that sets a profile function.
"""

import inspect
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

PIPELINES = """
pipelines:
  tiny:
    synthetic: {num_sentences: 2, train_signers: 1, dev_signers: 0, test_signers: 0}
    extract:
      rgb: {backbone: i3d, weights: random, max_clips: 2}
      pose: {detector: mmpose, model: demo, person_box: whole_frame}
      run: {decode_workers: 1}
    train:
      data: {workers: 1}
      embedding_dim: 64
      text: {encoder: clip, weights: random, max_words: 12, width: 64, layers: 1}
      pose_encoder: {width: 8}
      streams: {width: 64, layers: 1, initial: random}
      cgaf: {neighbours: [3], heads: 2, hidden: 32}
      optimisation: {epochs: 1, batch_size: 2}
"""
PIPELINE = "--pipelines pipelines.yaml --pipeline tiny"
CORPUS = f"seds-extract demo-videos --out corpus {PIPELINE}"
RGB = f"seds-extract rgb --out rgb.zarr --device cpu {PIPELINE} --index corpus"
POSE = f"seds-extract pose --out pose.zarr --device cpu {PIPELINE} --index corpus"
TRAIN = f"seds-train --stage fusion --device cpu {PIPELINE} --index corpus/index.csv"


@dataclass(frozen=True)
class Trace:
    """A command whose calls are noted, and how it is run again with nothing to do."""

    title: str
    command: str
    idle_options: str = ""
    """Added to the command the second time."""
    idle_code: int = 0
    """Exit code of the second time."""
    prepare: tuple[str, ...] = ()
    """Commands that come first."""


TRACES = {
    "rgb_video": Trace("one video to RGB features", f"{RGB}/first.csv"),
    "pose_video": Trace("one video to keypoints", f"{POSE}/first.csv"),
    "training_sample": Trace(
        "one training sample to the loss and back",
        f"{TRAIN} --rgb rgb.zarr --pose pose.zarr --runs . --name run",
        idle_options="--resume",
        prepare=(f"{RGB}/index.csv", f"{POSE}/index.csv"),
    ),
    "query": Trace(
        "one query",
        "seds-eval --run run --index corpus/first.csv --split train --device cpu",
        idle_options="--split nowhere",
        idle_code=2,
    ),
}
"""In order: each works on what the ones before have left. Training needs two samples."""


def run_traces(tree: Path, packages: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Trace -> all files that it called, and those ``passed``: with a call that idling lacks."""
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        commands = TracedCommands(tree, packages, Path(temporary))
        commands.make_corpus()
        for name, trace in TRACES.items():
            for command in trace.prepare:
                commands.called_functions(command)
            called = commands.called_functions(trace.command)
            again = f"{trace.command} {trace.idle_options}"
            idle = commands.called_functions(again, trace.idle_code)
            found[name] = {"passed": files_of(called - idle), "called": files_of(called)}
    return found


def files_of(functions: set[str]) -> list[str]:
    """Files of functions FILE:LINE, by name."""
    return sorted({function.split(":")[0] for function in functions})


@dataclass(frozen=True)
class TracedCommands:
    """Runs the commands of a tree, whatever tree is installed."""

    tree: Path
    """An absolute path."""
    packages: Sequence[str]
    """Their files are watched."""
    folder: Path
    """Where the commands run."""

    def make_corpus(self) -> None:
        """Draws two videos, with an index of both and one of the first."""
        (self.folder / "pipelines.yaml").write_text(PIPELINES)
        self.called_functions(CORPUS)
        corpus = self.folder / "corpus"
        lines = (corpus / "index.csv").read_text().splitlines(keepends=True)
        (corpus / "first.csv").write_text("".join(lines[:2]))

    def called_functions(self, command: str, code: int = 0) -> set[str]:
        """Runs a command; gives FILE:LINE of the functions that it called.

        Raises ``RuntimeError`` with the command's last lines where it does not exit with ``code``.
        """
        calls = self.folder / "calls.txt"
        calls.write_text("")
        watched = tuple(f"{self.tree / package}/" for package in self.packages)
        (self.folder / "sitecustomize.py").write_text(
            "import sys, threading\n\n\n"
            f"{inspect.getsource(note_called_functions)}\n\n"
            f"note_called_functions({watched!r}, {str(calls)!r})\n"
        )
        run = subprocess.run(
            [sys.executable, "-c", *self._program(command)],
            cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {
                "PYTHONPATH": f"{self.folder}{os.pathsep}{self.tree}",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )  # fmt: skip
        if run.returncode != code:
            last_lines = "\n".join(run.stdout.splitlines()[-20:])
            raise RuntimeError(f"{self.tree}: {command}: code {run.returncode}\n{last_lines}")
        return {line.removeprefix(f"{self.tree}/") for line in calls.read_text().splitlines()}

    def _program(self, command: str) -> list[str]:
        """What an installed console script runs, and its arguments."""
        program, *arguments = shlex.split(command)
        project = tomllib.loads((self.tree / "pyproject.toml").read_text())["project"]
        module, function = project["scripts"][program].split(":")
        launch = f"import sys; from {module} import {function} as main; sys.exit(main())"
        return [launch, *arguments]


def note_called_functions(watched: tuple[str, ...], path: str) -> None:
    """Appends FILE:LINE of each function below the watched folders to a file at its first call.

    At once, because some processes end by being killed. A ``sitecustomize`` holds a copy of this
    source, which may use only ``sys`` and ``threading``.
    """
    known: set[str] = set()
    other_files: set[str] = set()

    def is_import(frame: "FrameType | None") -> bool:
        while frame is not None:
            code = frame.f_code
            if code.co_name == "<module>" and code.co_filename.startswith(watched):
                return True
            frame = frame.f_back
        return False

    def note(frame: "FrameType", event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_filename in other_files:
            return
        if not code.co_filename.startswith(watched):
            other_files.add(code.co_filename)
            return
        place = f"{code.co_filename}:{code.co_firstlineno}"
        # CO_OPTIMIZED, 1: neither a module nor a class body. In brackets: lambdas, comprehensions.
        is_function = code.co_flags & 1 and not code.co_name.startswith("<")
        if is_function and place not in known and not is_import(frame):
            known.add(place)
            with open(path, "a") as file:
                file.write(place + "\n")

    threading.setprofile(note)
    sys.setprofile(note)
