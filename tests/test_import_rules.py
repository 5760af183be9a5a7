"""The command lines load nothing heavy, and training never reaches the extraction backends."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "numpy", "zarr", "cv2", "av", "decord", "mmpose", "mmengine", "pydantic"}
BACKENDS = {"mmpose", "mmengine", "mmcv", "cv2", "decord", "av", "mediapipe"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(run.stdout.split())


@pytest.mark.parametrize("module", ["extract.cli", "train.cli", "search.eval_cli", "search.cli"])
def test_the_command_lines_are_light(module):
    assert loaded_by(f"import {module}") & HEAVY == set()


def test_training_never_loads_the_extraction_backends():
    statement = (
        "import importlib, pkgutil, train, seds_core; "
        "[importlib.import_module(m.name) for p in (train, seds_core)"
        " for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.')]"
    )
    loaded = loaded_by(statement)
    assert "zarr" in loaded
    assert loaded & BACKENDS == set()
