"""README.md's commands for each published data set, run on a miniature of its release."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from release_miniatures import make_csl, make_how2sign, make_phoenix

PROJECT = Path(__file__).parents[1]
PROGRAMS = {
    "seds-extract": "extract.cli",
    "seds-train": "train.cli",
    "seds-eval": "search.eval_cli",
}
STAND_INS = {
    "boxes": """
import numpy as np
from extract.interchange import signer_boxes
signer = lambda frame: np.array([[70, 0, 250, 180]], np.float32)
signer_boxes.load_person_detector = lambda *_: signer
"""
}
"""Before a command: a person detector whose weights need no download."""
PLANS = ("seds-extract plan",)
"""Measured by a test of its own."""


def commands_below(heading):
    """The first code block below a heading of README.md, command by command."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    block = text.split(f"#### {heading}\n", 1)[1].split("```")[1]
    lines = block.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def small_pipelines(path):
    """The shipped pipelines with networks that need no download and take no time."""
    shipped = yaml.safe_load((PROJECT / "pipelines.yaml").read_text(encoding="utf-8"))
    for pipeline in shipped["pipelines"].values():
        extract, train = pipeline["extract"], pipeline.setdefault("train", {})
        extract["rgb"] |= {"backbone": "i3d", "weights": "random", "max_clips": 2}
        extract["pose"] |= {"model": "demo"}
        extract["run"] = {"decode_workers": 0, "rgb_batch": 2}
        train["text"] = {"encoder": "minilm", "max_words": 16, "frozen": True}
        train["embedding_dim"] = 16
        train["pose_encoder"] = {"width": 8}
        train["streams"] = {"width": 64, "layers": 1, "initial": "random"}
        train["cgaf"] = {"heads": 2, "hidden": 16}
        train["data"] = {"workers": 0}
        train["optimisation"] = {"epochs": 2, "batch_size": 2}
    path.write_text(yaml.safe_dump(shipped), encoding="utf-8")
    return path


def call(command, folder, pipelines):
    program, *arguments = command
    if "--pipeline" in arguments:
        arguments += ["--pipelines", str(pipelines)]
    stand_in = STAND_INS.get(arguments[0], "")
    main = f"{stand_in}from {PROGRAMS[program]} import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", main, *arguments],
        cwd=folder, capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def environment():
    return os.environ | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


@pytest.mark.mmpose
@pytest.mark.parametrize(
    ("heading", "make_release"),
    [("PHOENIX-2014T", make_phoenix), ("CSL-Daily", make_csl), ("How2Sign", make_how2sign)],
)
def test_from_the_release_to_the_score(heading, make_release, tmp_path):
    make_release(tmp_path)
    pipelines = small_pipelines(tmp_path / "small.yaml")
    commands = commands_below(heading)
    printed = [
        call(command, tmp_path, pipelines)
        for command in commands
        if shlex.join(command[:2]) not in PLANS
    ]
    assert "published" in printed[-1]
    scores = json.loads(next(tmp_path.glob("runs/*/evaluation/test/scores.json")).read_text())
    assert scores["counts"]["videos"] == 2
