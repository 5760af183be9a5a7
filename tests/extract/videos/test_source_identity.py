"""A source is known again by its size, its time and its content."""

import hashlib
import os

import pytest

from extract.videos import source_identity as module
from extract.videos.part import WHOLE, Crop, VideoError, VideoPart
from extract.videos.source_identity import (
    RecentValues,
    content_hash,
    part_hash,
    quick_identity,
    quick_look,
)


def test_hashes_a_files_bytes(tmp_path):
    path = tmp_path / "video.mp4"
    content = os.urandom(3_000_000)  # several blocks
    path.write_bytes(content)
    assert content_hash(path) == hashlib.blake2b(content, digest_size=16).hexdigest()


def test_tells_size_and_time(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(b"12345")
    os.utime(path, ns=(1, 17))
    assert quick_identity(path) == (5, 17)


def test_a_folder_is_its_images(tmp_path):
    (tmp_path / "2.png").write_bytes(b"two")
    (tmp_path / "10.png").write_bytes(b"three")
    before = content_hash(tmp_path), quick_identity(tmp_path)[0]
    (tmp_path / "notes.txt").write_text("not an image")
    assert (content_hash(tmp_path), quick_identity(tmp_path)[0]) == before
    assert before[1] == 8


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "2.png").write_bytes(b"TWO"),
        lambda folder: (folder / "2.png").rename(folder / "3.png"),
        lambda folder: (folder / "10.png").unlink(),
        lambda folder: (
            (folder / "2.png").write_bytes(b"twot"),
            (folder / "10.png").write_bytes(b"hree"),
        ),
    ],
    ids=["content", "name", "fewer", "moved boundary"],
)
def test_every_change_of_a_folder_changes_its_hash(tmp_path, change):
    (tmp_path / "2.png").write_bytes(b"two")
    (tmp_path / "10.png").write_bytes(b"three")
    before = content_hash(tmp_path)
    change(tmp_path)
    assert content_hash(tmp_path) != before


FOLDER_CHANGES = {
    "exchanged": lambda one, two: (
        one.rename(one.with_name("x.png")),
        two.rename(one),
        one.with_name("x.png").rename(two),
    ),
    "renamed": lambda one, _: one.rename(one.with_name("0.png")),
    "older content": lambda one, _: (one.write_bytes(b"eins"), os.utime(one, ns=(3, 3))),
    "other times": lambda one, _: os.utime(one, ns=(6, 6)),
}


def test_images_that_look_alike_cannot_be_exchanged_unnoticed(tmp_path):
    """Frames without compression from an archive: one size, one time."""
    one, two, other = (tmp_path / name for name in ("1.bmp", "2.bmp", "x.bmp"))
    for image in (one, two):
        image.write_bytes(image.name.encode())
        os.utime(image, ns=(5, 5))
    os.utime(tmp_path, ns=(7, 7))
    before = quick_identity(tmp_path)
    for source, target in ((one, other), (two, one), (other, two)):
        source.rename(target)
    assert not quick_look(tmp_path).fits(*before)


@pytest.mark.parametrize("change", FOLDER_CHANGES.values(), ids=FOLDER_CHANGES)
def test_changes_of_a_folder_are_noticed_without_reading_it(tmp_path, change):
    """All keep the sum of the sizes, the time of the last change and the folder's time."""
    one, two = tmp_path / "1.png", tmp_path / "2.png"
    for image, content in ((one, b"eins"), (two, b"zwo"), (tmp_path / "3.png", b"three")):
        image.write_bytes(content)
        os.utime(image, ns=(5, 5))
    os.utime(tmp_path / "3.png", ns=(9, 9))
    os.utime(tmp_path, ns=(7, 7))
    before = quick_identity(tmp_path)
    assert quick_look(tmp_path).fits(*before)
    change(one, two)
    os.utime(tmp_path, ns=(7, 7))
    assert quick_identity(tmp_path)[0] == before[0]
    assert not quick_look(tmp_path).fits(*before)


def test_what_older_stores_noted_of_a_folder_still_fits(tmp_path):
    """The sum of the sizes and the time of the last change."""
    for name, time in (("1.png", 10**18 + 5), ("2.png", 7)):
        (tmp_path / name).write_bytes(b"12345")
        os.utime(tmp_path / name, ns=(time, time))
    look = quick_look(tmp_path)
    assert look.fits(10, 10**18 + 5)
    assert look.mtime_ns != 10**18 + 5
    assert look.mtime_ns // 10**9 == 10**9
    assert not look.fits(10, 10**18 + 6)
    assert not look.fits(11, 10**18 + 5)


def test_gives_signs_of_life_while_it_reads(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(bytes(3_000_000))
    signs = []
    content_hash(path, lambda: signs.append(1))
    assert len(signs) >= 3


def test_what_is_not_there_has_no_identity(tmp_path):
    with pytest.raises(FileNotFoundError):
        quick_identity(tmp_path / "missing.mp4")
    with pytest.raises(VideoError, match="without images"):
        content_hash(tmp_path)


PARTS = (
    WHOLE,
    VideoPart(1.0, 2.0),
    VideoPart(1.0, 3.0),
    VideoPart(1.0, 2.0, Crop(0, 0, 9, 9)),
    VideoPart(1.0, 2.0, size=(9, 9)),
)


def test_every_part_has_a_hash_of_its_own(tmp_path):
    first, second = tmp_path / "a.mp4", tmp_path / "b.mp4"
    first.write_bytes(b"first")
    second.write_bytes(b"other")
    hashes = [part_hash(path, part) for path in (first, second) for part in PARTS]
    assert len(set(hashes)) == len(hashes)
    assert hashes[0] == content_hash(first)
    assert [part_hash(first, part) for part in PARTS] == hashes[: len(PARTS)]


def test_a_recording_is_read_once_for_all_its_parts(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"first")
    read = []
    monkeypatch.setattr(module, "content_hash", lambda path, *_: read.append(path) or "0")
    for part in PARTS[1:]:
        part_hash(path, part)
    assert read == [path]
    path.write_bytes(b"longer than before")
    part_hash(path, PARTS[1])
    assert read == [path, path]


def test_learns_once():
    values, learnt = RecentValues(capacity=2), []
    for key in "aabba":
        assert values.get(key, lambda key=key: learnt.append(key) or key) == key
    assert learnt == ["a", "b"]


def test_forgets_what_was_not_asked_for_the_longest():
    values, learnt = RecentValues(capacity=2), []
    for key in "abacab":
        values.get(key, lambda key=key: learnt.append(key) or key)
    assert learnt == ["a", "b", "c", "b"]


def test_a_failure_is_not_remembered():
    values = RecentValues(capacity=2)
    with pytest.raises(ZeroDivisionError):
        values.get("a", lambda: 1 // 0)
    assert values.get("a", lambda: 1) == 1
