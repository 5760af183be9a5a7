"""A few of the stores that ``benchmarks/store_damage.py`` damages by the hundred; the commands."""

import random
import shutil

import pytest
from damaged_stores import check, contents, damage
from finished_videos import RGB, finished
from stores_made_before import made_before
from typer.testing import CliRunner

from extract.cli import app
from seds_core.errors import UsageError
from seds_core.store.writer import BulkWriter


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
