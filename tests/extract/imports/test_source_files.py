"""Files of one kind are found by name, and named by their path."""

import pytest

from extract.imports.source_files import videos_in_files
from seds_core.errors import UsageError


def test_ids_are_paths_below_the_source(tmp_path):
    (tmp_path / "train").mkdir()
    for name in ("b.pose", "train/a.b.pose", ".hidden.pose", "c.json"):
        (tmp_path / name).touch()
    items = videos_in_files(tmp_path, ".pose")
    assert [item.video_id for item in items] == ["b", "train/a.b"]
    assert items[1].path == tmp_path / "train" / "a.b.pose"


def test_a_file_is_one_video(tmp_path):
    (tmp_path / "x.json").touch()
    (item,) = videos_in_files(tmp_path / "x.json", ".json")
    assert item.video_id == "x"


def test_no_files_are_an_error(tmp_path):
    with pytest.raises(UsageError, match=r"no \.pose files below"):
        videos_in_files(tmp_path, ".pose")
    with pytest.raises(UsageError, match=r"no \.pose files below"):
        videos_in_files(tmp_path / "nowhere", ".pose")
