"""A decoding process fills bounded memory that is shared with its parent."""

import os
import random
import re
import time
from collections import deque
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from video_damage import blank, repeat
from video_files import numbered_frame, numbered_frames, numbered_video, read_number, write_video

from extract.videos import decode_pool
from extract.videos.decode_pool import RemoteVideo, WorkerLostError, WorkerProcess
from extract.videos.decode_worker import ByteRing, FrameMemory
from extract.videos.decoding import DecodeJob, FrameChunk
from extract.videos.part import VideoError

FRAME_BYTES = 96 * 128 * 3


@pytest.fixture
def small_memory(monkeypatch):
    monkeypatch.setattr(decode_pool, "MEMORY_BYTES", 10 * FRAME_BYTES)


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
    assert not worker.is_free  # it waits: 60 frames do not fit into the memory of 10
    num_waiting = sum(1 for message in worker._inbox if hasattr(message, "offset"))
    assert num_waiting == 2
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


def test_chunks_of_huge_frames_are_smaller(worker, tmp_path):
    path = write_video(tmp_path / "v.mp4", [numbered_frame(n, 256, 192) for n in range(6)])
    events = RemoteVideo(worker, DecodeJob("video", path, chunk_frames=64))
    sizes = [len(event.frames) for event in events if isinstance(event, FrameChunk)]
    assert sizes == [1] * 6


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
    damaged = blank(numbered_video(tmp_path / "w.mp4", 60, options={"bf": "0"}), 0.5, 300)
    for chunk_frames in (3, 4, 5) * 4:
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


def test_runs_never_overlap_and_stay_inside():
    rng = random.Random(0)
    ring, out = ByteRing(100, max_runs=8), deque()
    num_taken = 0
    for _ in range(2000):
        size = rng.randint(1, 60)
        begin = ring.take(size)
        if begin is None:
            ring.give_back()
            out.popleft()
            continue
        num_taken += 1
        assert 0 <= begin <= 100 - size
        assert all(begin + size <= other or end <= begin for other, end in out)
        out.append((begin, begin + size))
    assert num_taken > 500


def test_two_halves_fit_beside_each_other_again_and_again():
    ring = ByteRing(100, max_runs=8)
    assert (ring.take(50), ring.take(50), ring.take(1)) == (0, 50, None)
    ring.give_back()
    assert ring.take(50) == 0
    ring.give_back()
    assert ring.take(50) == 50


def test_bounds_the_number_of_runs():
    ring = ByteRing(100, max_runs=2)
    assert (ring.take(1), ring.take(1), ring.take(1)) == (0, 1, None)


def test_the_newest_run_can_be_dropped():
    ring = ByteRing(100, max_runs=8)
    assert (ring.take(60), ring.take(40), ring.take(1)) == (0, 60, None)
    ring.drop_newest()
    assert ring.take(40) == 60


def test_refuses_what_can_never_fit():
    with pytest.raises(ValueError, match="101 bytes do not fit into 100"):
        ByteRing(100, max_runs=8).take(101)


def write_seven(memory):
    memory.frames(24, 2, 2, 2)[1] = 7


def test_another_process_sees_the_same_bytes():
    memory = FrameMemory.create(48)
    process = get_context("spawn").Process(target=write_seven, args=(memory,))
    process.start()
    memory.seal()
    process.join()
    assert process.exitcode == 0
    seen = memory.frames(0, 4, 2, 2)
    assert seen.shape == (4, 2, 2, 3)
    assert [int(frame.max()) for frame in seen] == [0, 0, 0, 7]


def test_frames_outlive_the_memory_object():
    memory = FrameMemory.create(12)
    frames = memory.frames(0, 1, 2, 2)
    memory.seal()
    del memory
    frames[:] = 5
    assert np.all(frames == 5)


def test_nothing_with_a_name_is_made():
    before = set(os.listdir("/dev/shm"))
    memory = FrameMemory.create(1 << 20)
    memory.frames(0, 1, 100, 100)[:] = 1
    assert set(os.listdir("/dev/shm")) == before
    memory.seal()
