"""Damage that is found, named and repaired, and rows that are extracted again."""

import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
from finished_videos import RGB, finished
from typer.testing import CliRunner

from extract.cli import app
from extract.inspection.verify import largest_difference, verify_store
from reference.damaged_stores import check, contents, damage
from reference.small_stores import POSE, pose_video, write_store
from reference.stores_made_before import made_before
from seds_core.errors import UsageError
from seds_core.store.provenance import ImportedFrom
from seds_core.store.writer import BulkWriter


def test_equal_rows_do_not_differ():
    rows = {"a": np.array([1.0, np.nan, -4.0]), "b": np.array([True, False])}
    assert largest_difference(rows, rows) == 0.0


def test_a_difference_is_relative_to_the_largest_value():
    stored = {"a": np.array([1.0, -4.0])}
    assert largest_difference(stored, {"a": np.array([1.2, -4.0])}) == np.float64(1.2 - 1.0) / 4


def test_other_shapes_and_other_gaps_are_infinitely_different():
    stored = {"a": np.array([1.0, np.nan])}
    assert largest_difference(stored, {"a": np.array([1.0])}) == np.inf
    assert largest_difference(stored, {"a": np.array([1.0, 2.0])}) == np.inf


def test_an_imported_store_has_nothing_to_extract_again(tmp_path):
    imported = replace(POSE, imported_from=ImportedFrom(format="pose"))
    path = write_store(tmp_path / "pose.zarr", imported, [pose_video("a", 20)])
    assert not verify_store(path, sample=0, device="cpu").problems
    with pytest.raises(UsageError, match="was imported"):
        verify_store(path, sample=1, device="cpu")


@pytest.fixture
def path(tmp_path):
    with BulkWriter(tmp_path / "s.zarr", RGB) as writer:
        for video_id in ("a", "b"):
            writer.add(finished(video_id))
    return tmp_path / "s.zarr"


def test_random_damage_is_told_found_and_mended(path, tmp_path):
    stores = {path: True, made_before(tmp_path): False}
    for turn in range(6):
        for store, is_covered in stores.items():
            damaged = shutil.copytree(store, tmp_path / "damaged" / "s.zarr")
            done = damage(damaged, random.Random(turn))
            assert check(damaged, contents(store), is_covered=is_covered), done
            shutil.rmtree(tmp_path / "damaged")


def run(*arguments):
    """Exit code and all that is printed."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.output


def test_a_damaged_store_is_refused_found_and_repaired(path):
    (path / "rows/features/c/0/0").unlink()
    with pytest.raises(UsageError, match=r"s\.zarr is damaged: rows/features/c/0/0 is missing"):
        CliRunner().invoke(app, ["info", str(path)], catch_exceptions=False)
    code, told = run("verify", path)
    assert code == 1
    assert f"seds-extract repair {path}" in told
    code, told = run("repair", path, "--dry-run")
    assert code == 0
    assert "2 videos would be dropped, 1 files would be mended" in told
    code, told = run("repair", path)
    assert code == 0
    assert "2 videos dropped, 1 files mended" in told
    assert "to do again: a" in told
    assert run("verify", path)[0] == 0


def test_verify_says_what_has_no_checksum(tmp_path):
    code, told = run("verify", made_before(tmp_path))
    assert code == 0
    assert "3 videos checked, 0 problems" in told
    assert "files are of an earlier version and have no checksum" in told
