"""Files are found by name and known again by content; sizes and frame rates are looked up."""

import hashlib
import os

import numpy as np
import pytest
from video_files import numbered_frames, write_video

from extract.interchange.imported import (
    KnownFacts,
    VideoFacts,
    as_float32,
    content_hash,
    quick_identity,
    quick_look,
    videos_in_files,
)
from extract.videos.listing import ListedVideo
from extract.videos.part import Crop, VideoPart
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


def test_a_file(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(b"abc")
    os.utime(path, ns=(5, 5))
    assert quick_identity(path) == (3, 5)
    assert content_hash(path) == hashlib.blake2b(b"abc", digest_size=16).hexdigest()


def test_a_folder_is_all_of_its_files_and_their_names(tmp_path):
    (tmp_path / "sub").mkdir()
    for name, content in (("1.json", b"ab"), ("sub/2.json", b"cde")):
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, ns=(7, len(content)))
    assert quick_identity(tmp_path)[0] == 5
    assert quick_look(tmp_path).fits(5, 3)  # as stores have noted it before names counted
    before = content_hash(tmp_path)
    (tmp_path / "1.json").rename(tmp_path / "3.json")
    os.utime(tmp_path / "sub/2.json", ns=(8, 8))
    assert content_hash(tmp_path) != before


def test_a_changed_file_has_another_hash(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"abc")
    before = content_hash(path)
    path.write_bytes(b"abd")
    os.utime(path, ns=(1, 1))
    assert content_hash(path) != before


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        quick_identity(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert quick_identity(tmp_path / "empty")[0] == 0


def test_exchanged_files_of_a_folder_are_noticed(tmp_path):
    for name, content in (("1.json", b"one"), ("2.json", b"two")):
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, ns=(9, 9))
    before = quick_identity(tmp_path)
    (tmp_path / "1.json").rename(tmp_path / "3.json")
    assert quick_identity(tmp_path) != before


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "a.mp4", numbered_frames(5, width=64, height=48), fps=30)


def test_a_size_that_was_given_comes_first_and_no_file_is_opened(tmp_path):
    videos = {"a": ListedVideo("a", tmp_path / "none.mp4")}
    facts = KnownFacts((210, 260), None, 25.0, videos)
    assert facts("a") == facts("b") == VideoFacts(210, 260, 25.0)
    assert KnownFacts((210, 260), 24.0, 25.0, {})("a").fps == 24.0


def test_the_video_of_the_index_tells_its_own(video):
    videos = {"a": ListedVideo("a", video)}
    assert KnownFacts(None, None, 25.0, videos)("a") == VideoFacts(64, 48, 30.0)
    assert KnownFacts(None, 24.0, 25.0, videos)("a") == VideoFacts(64, 48, 24.0)


def test_a_part_has_the_size_that_it_is_brought_to(video):
    part = VideoPart(crop=Crop(0, 0, 40, 40), size=(256, 256))
    facts = KnownFacts(None, None, 25.0, {"a": ListedVideo("a", video, part)})
    assert facts("a") == VideoFacts(256, 256, 30.0)


def test_unknown_facts_are_answered_with_the_options(tmp_path):
    with pytest.raises(LookupError, match="--image-size WIDTHxHEIGHT, or name its video"):
        KnownFacts(None, None, 25.0, {})("a")
    videos = {"a": ListedVideo("a", tmp_path / "none.mp4")}
    with pytest.raises(LookupError, match=r"none\.mp4: does not exist"):
        KnownFacts(None, None, 25.0, videos)("a")


@pytest.mark.parametrize("dtype", [np.float32, ">f4", np.float16, np.int16, np.uint8])
def test_what_fits_stays_as_it_is(dtype):
    values = np.array([[0, 1, 100]], dtype)
    rounded, num_changed = as_float32(values)
    assert (rounded.dtype, num_changed) == (np.float32, 0)
    np.testing.assert_array_equal(rounded, values)


def test_changes_are_counted_and_not_a_number_is_none():
    values = np.array([0.5, 0.1, np.nan, np.inf, 1e300])
    rounded, num_changed = as_float32(values)
    assert num_changed == 2
    np.testing.assert_array_equal(rounded, np.array([0.5, 0.1, np.nan, np.inf, np.inf], np.float32))
    assert as_float32(np.array([2**24 + 1]))[1] == 1


def test_float32_is_not_copied():
    values = np.ones(3, np.float32)
    assert as_float32(values)[0] is values
