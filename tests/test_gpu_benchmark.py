"""The benchmark for GPUs runs without one, on small networks, and judges every fast path."""

import re
import subprocess
import sys

import gpu
import pytest
import torch
from shared_data import REPOSITORY

from extract.fast_paths import SLOWER_ON, clip_memory, pays_on


def test_it_runs_on_a_cpu_and_has_a_row_for_every_fast_path():
    command = [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--quick", "--minutes", "9"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Not measured" not in done.stdout
    rows = re.findall(r"^\| ([^|]+) \|.*\| (yes|no) \|$", done.stdout, re.MULTILINE)
    steps = {f"step: ours, {name}" for name in ("float32", "bfloat16", "float16")}
    assert {name for name, _ in rows} == {*SLOWER_ON, *steps, "loader: 0 processes"}
    assert "too far" not in done.stdout  # every path gives what the plain way gives


@pytest.mark.parametrize(
    ("faster", "memory", "difference", "is_kept"),
    [
        ([1.2, 1.1, 0.9], None, 1e-6, True),
        ([0.9, 0.9, 1.3], None, 1e-6, False),
        ([0.96, 0.97, 0.98], 1.5, 1e-6, True),
        ([0.96, 0.97, 0.98], 1.0, 1e-6, False),
        ([0.5, 0.5, 0.5], 9.0, 1e-6, False),
        ([3.0, 3.0, 3.0], 2.0, 1e-2, False),
    ],
    ids=["faster", "slower", "less memory", "nothing", "far slower", "other values"],
)
def test_a_path_is_kept_where_it_pays_and_gives_the_same(faster, memory, difference, is_kept):
    finding = gpu.Finding("path", "plain", faster, memory, difference, gpu.SAME)
    assert finding.is_kept == is_kept
    assert finding.row().endswith("| yes |" if is_kept else "| no |")


def test_a_switch_belongs_to_a_device():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    with gpu.switched_off("RGB channels last", cuda):
        assert not pays_on("RGB channels last", cuda)
        assert pays_on("RGB channels last", cpu)
        assert pays_on("shared windows", cuda)
        assert clip_memory(cuda) == torch.contiguous_format
        assert clip_memory(cpu) == torch.channels_last_3d
    assert pays_on("RGB channels last", cuda)
