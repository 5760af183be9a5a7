"""Which video and which frames a published pickle is of."""

import pickle
from pathlib import Path

import pytest
from hostile_pickles import Calls
from published_folders import write_pickle

from extract.interchange.published import (
    PUBLISHED_NAMES,
    FrameNames,
    PublishedFiles,
    entry,
    ids_by_name,
)
from seds_core.dataset_index import IndexedVideo
from seds_core.errors import ImportedFileError, UsageError
from seds_core.untrusted_pickles import UnsafePickleError


def indexed(video_id, alias=""):
    return IndexedVideo(video_id, Path("x.mp4"), other={"alias": alias})


@pytest.fixture
def source(tmp_path):
    for name in ("train/b", "train/a", "test/clip.1"):
        write_pickle(tmp_path, name, {"name": name})
    (tmp_path / "readme.txt").write_text("no pickle")
    return tmp_path


def test_without_an_index_a_file_is_its_own_video(source):
    files = PublishedFiles(source, None)
    assert [item.video_id for item in files.items()] == ["clip.1", "a", "b"]
    assert files.read(files.items()[1])[0] == {"name": "train/a"}


def test_an_index_knows_videos_by_path_by_name_and_by_alias(source):
    names = ids_by_name([indexed("train/a"), indexed("b"), indexed("-x_0-front", "clip.1")])
    items = PublishedFiles(source, names).items()
    assert [item.video_id for item in items] == ["-x_0-front", "train/a", "b"]


def test_a_file_of_no_known_video_fails_when_it_is_read(source):
    files = PublishedFiles(source, ids_by_name([indexed("a"), indexed("b")]))
    unknown = files.items()[0]
    with pytest.raises(ImportedFileError, match=r"is called 'clip\.1', nor has it as its alias"):
        files.read(unknown)


def test_two_files_of_one_video_are_named(source):
    write_pickle(source, "dev/a", {})
    with pytest.raises(UsageError, match=r"dev/a\.pkl and .*train/a\.pkl are both of .* 'a'"):
        PublishedFiles(source, None).items()
    names = ids_by_name([indexed("a", "clip.1"), indexed("b")])
    (source / "dev/a.pkl").unlink()
    with pytest.raises(UsageError, match="are both of the video 'a'"):
        PublishedFiles(source, names).items()


def test_an_alias_of_two_videos_is_refused():
    with pytest.raises(UsageError, match="'a' and 'b' the same alias 'x'"):
        ids_by_name([indexed("a", "x"), indexed("b", "x")])


def test_an_id_comes_before_an_alias():
    ids = ids_by_name([indexed("a", "b"), indexed("b")])
    assert ids == {"a": "a", "b": "b"}


def test_a_folder_without_pickles(tmp_path):
    with pytest.raises(UsageError, match=r"no \.pkl files below"):
        PublishedFiles(tmp_path, None).items()


def test_other_contents_are_refused(tmp_path):
    files = PublishedFiles(tmp_path, None)
    path = write_pickle(tmp_path, "a", ["a", "list"])
    (item,) = files.items()
    with pytest.raises(ImportedFileError, match="holds a list, where a dictionary is needed"):
        files.read(item)
    path.write_bytes(pickle.dumps({"feature": Calls(print, "run")}))
    with pytest.raises(UnsafePickleError, match=r"builtins\.print"):
        files.read(item)
    path.write_bytes(pickle.dumps({"feature": 1, 2: 3}))
    values, content_hash = files.read(item)
    assert len(content_hash) == 32
    assert entry(item, values, "feature") == 1
    with pytest.raises(ImportedFileError, match="has no 'keypoints', but 'feature', 2"):
        entry(item, values, "keypoints")


@pytest.mark.parametrize(
    ("names", "template", "first"),
    [
        (["images0001.png", "images0002.png"], "images%04d.png", 1),
        (["000000.jpg", "000001.jpg"], "%06d.jpg", 0),
        (["frame_10.jp2", "frame_9.jp2", "frame_1.jp2"], "frame_%d.jp2", 1),
        (["v2/50%/img0.png"], "v2/50%%/img%d.png", 0),
        (["0001_left.png"], "%04d_left.png", 1),
    ],
)
def test_names_and_numbers_are_told_from_each_other(names, template, first):
    found = FrameNames.like(names)
    assert found == FrameNames(template, first)
    assert [found.name(frame) for frame in found.frames(names).tolist()] == names


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([], "no images"),
        (["images0005.png"], "numbered from 5 on"),
        (["front.png"], "no number"),
        (["1234567890.png"], "no number that a frame may have"),
    ],
)
def test_names_that_do_not_tell_the_first_frame(names, problem):
    with pytest.raises(ValueError, match=problem):
        FrameNames.like(names)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("images0000.png", "not named like others"),
        ("images0003.jpg", "not named like others"),
        ("images003.png", "not named like others"),
        ("images9999999.png", "not named like others"),
        ("front.png", "no number"),
        ("images0001.png", "twice"),
    ],
)
def test_a_name_that_does_not_fit(name, problem):
    with pytest.raises(ValueError, match=problem):
        PUBLISHED_NAMES.frames(["images0001.png", name])


def test_frames_keep_the_order_of_their_names():
    names = ["images0004.png", "images0001.png", "images10000.png"]
    assert PUBLISHED_NAMES.frames(names).tolist() == [3, 0, 9999]
