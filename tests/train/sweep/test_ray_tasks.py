"""Work of a sweep as tasks of Ray: the same runs, and a sentence where Ray is missing."""

import os
import subprocess
import sys

import pytest
from process_group import REPOSITORY
from small_sweep import write_sweep

WITHOUT_RAY = """
import sys
sys.modules["ray"] = None
from train.cli import main
main()
"""

WITH_STAND_INS = """
import sys
from small_sweep import MadeUpRuns
from train.sweep import ray_tasks
def carry_out(work):
    from small_sweep import MadeUpRuns
    runs = MadeUpRuns(failing=["calm-seed2"])
    runs.start(work)
    return runs.ended()[0].exit_code
ray_tasks._carry_out = carry_out
from train.cli import main
main()
"""
"""The tasks of a real Ray make their runs' results up: local processes train the same way."""


def start(program, folder, out, *options):
    command = ["sweep", str(folder / "sweep.yaml"), "--out", str(out), "--device", "cpu", *options]
    paths = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests")))
    return subprocess.run(
        [sys.executable, "-c", program, *command],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )


def test_a_missing_ray_is_named_with_its_extra(folder, tmp_path):
    write_sweep(folder)
    done = start(WITHOUT_RAY, folder, tmp_path / "out", "--engine", "ray")
    assert done.returncode == 1
    assert ".[ray]" in done.stderr
    assert "Traceback" not in done.stderr


def test_tasks_of_ray_do_the_runs_and_tell_which_failed(folder, tmp_path):
    pytest.importorskip("ray")
    write_sweep(folder)
    out = tmp_path / "out"
    done = start(WITH_STAND_INS, folder, out, "--engine", "ray", "--jobs", "2")
    assert done.returncode == 3, done.stderr
    assert "calm-seed2 failed: it diverged" in done.stderr
    assert "Selected: **fast**" in (out / "report.md").read_text()
