import os
from dataclasses import replace

import pytest
from finished_videos import finished

from extract.run.existing_store import compare, video_changed
from extract.videos.listing import ListedVideo
from extract.videos.part import (
    WHOLE,
    Crop,
    VideoPart,
    part_name,
)
from extract.videos.source_identity import content_hash, part_hash, quick_identity
from seds_core.store.reader import VideoEntry


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"first")
    return path


@pytest.fixture
def entry(source):
    size_bytes, mtime_ns = quick_identity(source)
    known = replace(
        finished("a").source,
        size_bytes=size_bytes,
        mtime_ns=mtime_ns,
        content_hash=content_hash(source),
    )
    return VideoEntry(**vars(known), first_row=0, num_rows=1, rows_checksum=0)


def test_an_untouched_source_is_not_read(source, entry):
    assert not video_changed(
        ListedVideo("a", source), replace(entry, content_hash="never compared")
    )


def test_a_touched_source_with_the_same_content_has_not_changed(source, entry):
    os.utime(source, ns=(0, 0))
    assert not video_changed(ListedVideo("a", source), entry)


def test_other_content_of_the_same_size_video_changed(source, entry):
    source.write_bytes(b"other")
    os.utime(source, ns=(0, 0))
    assert video_changed(ListedVideo("a", source), entry)


def test_another_size_video_changed(source, entry):
    source.write_bytes(b"longer than before")
    assert video_changed(ListedVideo("a", source), entry)


def test_a_source_that_is_gone_video_changed(source, entry, tmp_path):
    source.unlink()
    assert video_changed(ListedVideo("a", source), entry)
    (tmp_path / "folder").mkdir()
    assert video_changed(ListedVideo("a", tmp_path / "folder"), entry)


def test_exchanged_images_have_changed_and_copied_ones_have_not(tmp_path, entry):
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(name.encode())
        os.utime(tmp_path / name, ns=(5, 5))
    video = ListedVideo("a", tmp_path)
    size_bytes, mtime_ns = quick_identity(tmp_path)
    known = replace(
        entry,
        size_bytes=size_bytes,
        mtime_ns=mtime_ns,
        content_hash=content_hash(tmp_path),
        path=str(tmp_path),
    )
    assert not video_changed(video, replace(known, content_hash="never compared"))
    assert not video_changed(video, replace(known, mtime_ns=5, content_hash="of an older store"))
    for name in ("1.png", "2.png"):
        os.utime(tmp_path / name, ns=(6, 6))
    assert not video_changed(video, known)
    (tmp_path / "1.png").rename(tmp_path / "x.png")
    (tmp_path / "2.png").rename(tmp_path / "1.png")
    (tmp_path / "x.png").rename(tmp_path / "2.png")
    assert video_changed(video, known)


def test_a_video_with_a_problem_is_met_again(source, entry):
    assert video_changed(ListedVideo("a", source, problem="two files of one name"), entry)


def test_missing_videos_come_before_changed_ones(source, entry, tmp_path):
    there, gone = ListedVideo("a", source), ListedVideo("b", tmp_path / "b.mp4")
    plan = compare((there, gone), {"a": entry}, video_changed)
    assert (plan.todo, plan.num_there) == ((gone,), 1)
    source.write_bytes(b"longer than before")
    plan = compare((there, gone), {"a": entry}, video_changed)
    assert (plan.todo, plan.num_there) == ((gone, there), 0)


PARTS = (
    WHOLE,
    VideoPart(1.0, 2.0),
    VideoPart(1.0, 2.5),
    VideoPart(1.0, 2.0, Crop(0, 0, 9, 9)),
    VideoPart(1.0, 2.0, Crop(0, 0, 9, 9), (8, 8)),
)


@pytest.mark.parametrize("extracted", PARTS)
@pytest.mark.parametrize("listed", PARTS)
def test_another_part_of_the_same_file_video_changed(source, entry, extracted, listed):
    known = replace(
        entry, path=part_name(source, extracted), content_hash=part_hash(source, extracted)
    )
    assert video_changed(ListedVideo("a", source, listed), known) == (listed != extracted)
    os.utime(source, ns=(0, 0))
    assert video_changed(ListedVideo("a", source, listed), known) == (listed != extracted)
    source.write_bytes(b"other")
    assert video_changed(ListedVideo("a", source, listed), known)
