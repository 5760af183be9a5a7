"""Videos that vanish, change, grow or may not be read while a run is at work on them."""

import os

import pytest
from mean_stream import MeanStream

from seds_core.store.reader import StoreReader


class Meddling(MeanStream):
    """Does something to the corpus before or after the first video's frames are read."""

    def __init__(self, before=None, after=None):
        super().__init__()
        self.before, self.after = before, after

    def pieces(self, video):
        before, self.before = self.before, None
        after, self.after = self.after, None
        if before:
            before()
        yield from super().pieces(video)
        if after:
            after()


def videos_of(tmp_path):
    return sorted(StoreReader(tmp_path / "rgb.zarr").videos)


def test_a_video_that_vanishes_costs_itself_until_it_is_back(run, corpus, tmp_path):
    last = corpus.path("video5")
    content = last.read_bytes()
    code, summary = run(Meddling(last.unlink))
    assert code == 3
    assert [failed["video_id"] for failed in summary["failed"]] == ["video5"]
    assert summary["failed"][0]["reason"] == "does not exist"
    assert videos_of(tmp_path) == corpus.ids[:5]
    last.write_bytes(content)
    assert run()[0] == 0
    assert videos_of(tmp_path) == corpus.ids


def test_a_video_that_is_still_being_copied_is_done_once_it_is_whole(run, corpus, tmp_path):
    last = corpus.path("video5")
    content = last.read_bytes()
    last.write_bytes(content[: len(content) // 2])

    def grow():
        with last.open("ab") as file:
            file.write(content[len(content) // 2 : -100])

    code, summary = run(Meddling(grow))
    assert code == 3
    assert [failed["video_id"] for failed in summary["failed"]] == ["video5"]
    last.write_bytes(content)
    code, summary = run()
    assert (code, summary["finished"], summary["already_there"]) == (0, 1, 5)
    assert StoreReader(tmp_path / "rgb.zarr").videos["video5"].num_frames == 45


def test_a_video_that_changes_after_it_was_read_is_done_again(run, corpus, tmp_path):
    first, last = corpus.path("video0"), corpus.path("video5")
    other = last.read_bytes()
    assert run(Meddling(after=lambda: first.write_bytes(other)))[0] == 0
    assert StoreReader(tmp_path / "rgb.zarr").videos["video0"].num_frames == 20
    code, summary = run()
    store = StoreReader(tmp_path / "rgb.zarr")
    assert code == 0
    assert store.videos["video0"].content_hash == store.videos["video5"].content_hash
    assert store.videos["video0"].num_frames == 45
    assert summary["already_there"] == 5
    assert run()[1]["finished"] == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_video_that_may_not_be_read_costs_itself(run, corpus):
    corpus.path("video3").chmod(0)
    code, summary = run()
    assert code == 3
    assert "ermission denied" in summary["failed"][0]["reason"]
