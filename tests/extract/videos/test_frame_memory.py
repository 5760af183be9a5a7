import os
from multiprocessing import get_context

import numpy as np

from extract.videos.decode_worker import FrameMemory


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
