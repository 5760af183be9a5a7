"""Files of one kind are found by name, and named by their path."""

import pytest

from extract.interchange.imported import videos_in_files
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


def test_links_are_followed_and_hidden_files_passed_over(tmp_path):
    source = tmp_path / "source"
    for name in ("source/a.npy", "disk/u\u0308.npy", "source/__MACOSX/x.npy", "source/.b/y.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (source / "more").symlink_to(tmp_path / "disk")
    (source / "loop").symlink_to(source)
    (source / "0.npy").symlink_to("a.npy")
    items = videos_in_files(source, ".npy")
    assert [item.video_id for item in items] == ["a", "more/\u00fc"]
