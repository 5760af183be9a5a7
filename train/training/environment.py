"""Where and by what a run is computed, for its records."""

import hashlib
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from seds_core.store.layout import software_versions

RECORDED_PACKAGES = (
    "seds", "torch", "numpy", "zarr", "einops", "open-clip-torch", "transformers", "safetensors",
)  # fmt: skip
"""What results depend on."""


def environment(
    device: torch.device, num_processes: int, weight_files: Sequence[Path]
) -> dict[str, Any]:
    """Software, hardware, source code and command of this start; nothing that names the machine.

    ``weight_files`` are what the run begins with, told apart by their SHA-256.
    """
    on_gpu = device.type == "cuda"
    return {
        "command": sys.argv,
        "versions": software_versions(RECORDED_PACKAGES),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if on_gpu else platform.machine(),
        "cuda": torch.version.cuda if on_gpu else None,
        "processes": num_processes,
        "threads": torch.get_num_threads(),
        "source": git_state(Path(__file__).parent),
        "weights": {str(path): _sha256(path) for path in weight_files},
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit, and whether files differ from it; ``None`` outside a checkout or without git."""
    commit, changes = (_git(folder, *words) for words in _QUESTIONS)
    if commit is None or changes is None:
        return None
    return {"commit": commit.strip(), "is_changed": bool(changes.strip())}


_QUESTIONS = (("rev-parse", "HEAD"), ("status", "--porcelain"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
