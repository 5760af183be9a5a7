"""Where the shared test data lies, and what happens to a test when it is not there."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def shared_path(relative: str) -> Path:
    """A file or folder of the shared test data; skips the test when it is missing."""
    return _required(REPOSITORY.parent / "shared" / relative)


def golden_path(name: str) -> Path:
    """A golden file, from the folder in ``SEDS_GOLDEN`` or from the shared test data."""
    folder = os.environ.get("SEDS_GOLDEN")
    return _required(Path(folder) / name) if folder else shared_path(f"golden/{name}")


def _required(path: Path) -> Path:
    if path.exists():
        return path
    reason = f"test data not found: {path}"
    if os.environ.get("SEDS_REQUIRE_SHARED") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
