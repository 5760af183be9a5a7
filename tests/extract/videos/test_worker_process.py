"""A decoding process fills bounded memory that is shared with its parent."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from video_damage import blank, repeat
from video_files import numbered_frame, numbered_frames, numbered_video, read_number, write_video

from extract.videos import decode_pool
from extract.videos.decode_pool import RemoteVideo, WorkerLostError, WorkerProcess
from extract.videos.decoding import DecodeJob, FrameChunk
from extract.videos.frame_memory import Slots
from extract.videos.part import VideoError

FRAME_BYTES = 96 * 128 * 3


@pytest.fixture
def small_memory(monkeypatch):
    slots = Slots(10, chunk_bytes=4 * FRAME_BYTES, num_huge=2, huge_bytes=10 * FRAME_BYTES)
    monkeypatch.setattr(decode_pool, "SLOTS", slots)


@pytest.fixture
def worker(small_memory):
    worker = WorkerProcess(timeout_s=10.0)
    yield worker
    worker.kill("the test is over")


def numbers(event):
    return [read_number(frame) for frame in event.frames]


def test_decodes_ahead_only_as_far_as_memory_lasts(worker, tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 60)
    events = RemoteVideo(worker, DecodeJob("video", path, chunk_frames=4))
    next(events)
    time.sleep(0.5)
    assert not worker.is_free  # it waits: 60 frames do not fit into 10 slots for 4
    num_waiting = sum(1 for message in worker._inbox if hasattr(message, "slot"))
    assert num_waiting == 10
    seen = [
        number for event in events if isinstance(event, FrameChunk) for number in numbers(event)
    ]
    assert seen == list(range(60))
    assert worker.is_free


def test_frames_that_are_looked_at_do_not_change(worker, tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 60)
    events = RemoteVideo(worker, DecodeJob("video", path, chunk_frames=4))
    next(events)
    for first, event in zip(range(0, 60, 4), events, strict=False):
        time.sleep(0.02)
        assert numbers(event) == list(range(first, first + 4))


def test_frames_do_not_change_however_many_are_held(worker, tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 60)
    for _ in range(2):  # all slots are free again for the second time
        events = RemoteVideo(worker, DecodeJob("video", path, chunk_frames=2))
        held = [event for event in events if isinstance(event, FrameChunk)]
        assert len(held) == 30
        assert [number for event in held for number in numbers(event)] == list(range(60))


def test_a_part_of_a_frame_holds_its_chunk(worker, tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 60)
    events = RemoteVideo(worker, DecodeJob("video", path, chunk_frames=2))
    held = [event.frames[1, :, 8:] for event in events if isinstance(event, FrameChunk)]
    copies = [frame.copy() for frame in held]
    list(RemoteVideo(worker, DecodeJob("video", path, chunk_frames=3)))
    assert all(np.array_equal(*pair) for pair in zip(held, copies, strict=True))


def test_frames_larger_than_a_chunk_come_one_by_one(worker, tmp_path):
    path = write_video(tmp_path / "v.mp4", [numbered_frame(n, 384, 288) for n in range(6)])
    events = RemoteVideo(worker, DecodeJob("video", path, chunk_frames=64))
    held = [event for event in events if isinstance(event, FrameChunk)]
    assert [numbers(event) for event in held] == [[number] for number in range(6)]


def test_a_frame_that_does_not_fit_is_an_error_and_not_a_crash(worker, tmp_path):
    path = write_video(tmp_path / "v.mp4", [numbered_frame(n, 512, 384) for n in range(2)])
    events = RemoteVideo(worker, DecodeJob("video", path))
    next(events)
    with pytest.raises(RuntimeError, match="do not fit"):
        next(events)
    assert worker.is_free


def test_goes_on_with_the_next_video_while_one_waits_to_be_read(worker, tmp_path):
    first = numbered_video(tmp_path / "1.mp4", 3)
    second = numbered_video(tmp_path / "2.mp4", 50)
    waiting = RemoteVideo(worker, DecodeJob("1", first, chunk_frames=4))
    while not worker.is_free:
        time.sleep(0.01)
    later = RemoteVideo(worker, DecodeJob("2", second, chunk_frames=4))
    for events, count in ((waiting, 3), (later, 50)):
        chunks = (event for event in events if isinstance(event, FrameChunk))
        assert [number for chunk in chunks for number in numbers(chunk)] == list(range(count))


def test_what_was_decoded_before_a_crash_stays_readable(worker, tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 3)
    events = RemoteVideo(worker, DecodeJob("video", path))
    while not worker.is_free:
        time.sleep(0.01)
    worker.kill("killed")
    assert worker.is_lost
    assert [numbers(e) for e in events if isinstance(e, FrameChunk)] == [[0, 1, 2]]
    with pytest.raises(WorkerLostError, match="killed"):
        worker.receive()


def test_a_cancelled_video_frees_the_worker_at_once(worker, tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 60)
    events = RemoteVideo(worker, DecodeJob("video", path, chunk_frames=4))
    next(events)
    events.close()
    assert worker.is_free
    events.close()
    again = RemoteVideo(worker, DecodeJob("video", path, chunk_frames=4))
    chunks = [event for event in again if isinstance(event, FrameChunk)]
    assert len(chunks) == 15


def test_damaged_videos_use_up_no_memory(worker, tmp_path):
    whole = numbered_video(tmp_path / "v.mp4", 60, options={"bf": "0"})
    damaged = blank(numbered_video(tmp_path / "w.mp4", 60, options={"bf": "0"}), 0.6, 300)
    # The 43 frames before the damage leave a chunk unfinished each time.
    for chunk_frames in (2, 3, 4) * 4:
        with pytest.raises(VideoError, match="damaged"):
            list(RemoteVideo(worker, DecodeJob("damaged", damaged, chunk_frames=chunk_frames)))
    events = RemoteVideo(worker, DecodeJob("whole", whole, chunk_frames=4))
    chunks = (event for event in events if isinstance(event, FrameChunk))
    assert [number for chunk in chunks for number in numbers(chunk)] == list(range(60))


def own_megabytes(worker):
    """Memory of the process itself, without what it shares."""
    status = Path(f"/proc/{worker._process.pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) / 1000


def test_memory_does_not_grow_with_the_length_of_a_video(worker, tmp_path):
    short = write_video(tmp_path / "short.mp4", numbered_frames(100, 256, 192))
    path = repeat(short, tmp_path / "v.mp4", 30)  # 442 MB when decoded
    seen, megabytes = [], []
    events = RemoteVideo(worker, DecodeJob("video", path, chunk_frames=4))
    for event in events:
        if isinstance(event, FrameChunk):
            seen += numbers(event)
            megabytes.append(own_megabytes(worker))
    assert seen == 30 * list(range(100))
    assert megabytes[-1] < megabytes[50] + 10
