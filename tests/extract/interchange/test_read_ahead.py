"""Videos that are read by several threads come in order, failures in their places."""

import threading
import time
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from extract.interchange.import_command import (
    MAX_AHEAD,
    READERS,
    ReadVideo,
    read_ahead,
)
from extract.interchange.imported import ImportedVideo, ImportItem
from seds_core.errors import ImportedFileError
from seds_core.store.staging import FailedVideo


class Files:
    """Files that take the longer the earlier they come; some cannot be read."""

    def __init__(self, folder, *, count=12, problems=()):
        self.problems = dict(problems)
        self.begun = []
        self.together = self.most_together = 0
        self._lock = threading.Lock()
        self.items = [ImportItem(f"{number:02}", folder / f"{number}") for number in range(count)]
        for item in self.items:
            item.path.write_text(item.video_id)

    def read(self, item):
        with self._lock:
            self.begun.append(item.video_id)
            self.together += 1
            self.most_together = max(self.together, self.most_together)
        time.sleep(0.02 / (1 + int(item.video_id)))
        with self._lock:
            self.together -= 1
        if item.video_id in self.problems:
            raise self.problems[item.video_id]
        return ImportedVideo({}, 7, 1, 25.0, 0, 0, content_hash=item.video_id, num_rounded=3)


def ids(videos):
    return [
        v.video_id if isinstance(v, FailedVideo) else v.finished.source.video_id for v in videos
    ]


def test_order_is_kept_and_failures_stand_in_their_places(tmp_path):
    problems = {
        "03": ImportedFileError(tmp_path / "3", "is empty"),
        "05": OSError("no such disk"),
    }
    files = Files(tmp_path, problems=problems)
    videos = list(read_ahead(files.items, files.read))
    assert ids(videos) == [item.video_id for item in files.items]
    failed = {v.video_id: (v.path, v.reason) for v in videos if isinstance(v, FailedVideo)}
    assert failed == {
        "03": (str(tmp_path / "3"), "is empty"),
        "05": (str(tmp_path / "5"), "cannot be read: no such disk"),
    }
    (first, *_) = videos
    assert isinstance(first, ReadVideo)
    assert (first.num_rounded, first.finished.source.content_hash) == (3, "00")
    assert (first.finished.source.size_bytes, first.finished.source.duration) == (2, 7 / 25)
    assert files.most_together == READERS


def test_no_more_is_read_than_may_wait(tmp_path):
    files = Files(tmp_path, count=40)
    with closing(read_ahead(files.items, files.read)) as videos:
        assert ids(islice(videos, 2)) == ["00", "01"]
        time.sleep(0.2)
        assert sorted(files.begun) == [f"{number:02}" for number in range(2 + MAX_AHEAD)]
    assert len(files.begun) == 2 + MAX_AHEAD


def test_closing_awaits_what_is_being_read_and_reads_nothing_else(tmp_path):
    files = Files(tmp_path, count=40)
    with closing(read_ahead(files.items, files.read)) as videos:
        next(videos)
    assert files.together == 0
    assert len(files.begun) <= 1 + MAX_AHEAD
    num_begun = len(files.begun)
    time.sleep(0.05)
    assert len(files.begun) == num_begun


def test_a_fault_of_ours_comes_out_when_it_is_its_turn(tmp_path):
    files = Files(tmp_path, problems={"02": AssertionError("a fault")})
    videos = read_ahead(files.items, files.read)
    assert ids(islice(videos, 2)) == ["00", "01"]
    with pytest.raises(AssertionError, match="a fault"):
        next(videos)


def test_a_missing_file_fails_alone(tmp_path):
    files = Files(tmp_path, count=3)
    Path(tmp_path / "1").unlink()
    videos = list(read_ahead(files.items, files.read))
    assert [isinstance(video, FailedVideo) for video in videos] == [False, True, False]
