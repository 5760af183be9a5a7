"""Decoder and parent see the same slots, and no slot is filled that somebody looks at."""

import os
import random
from multiprocessing import get_context

import numpy as np
import pytest

from extract.videos.frame_memory import FrameMemory, FreeSlots, HeldSlots, Slots

SMALL = Slots(num_chunks=2, chunk_bytes=24, num_huge=2, huge_bytes=100)
SHAPE = 2, 2, 2


def test_slots_lie_beside_each_other():
    assert [SMALL.offset(slot) for slot in range(4)] == [0, 24, 48, 148]
    assert SMALL.num_bytes == 248


def test_a_slot_is_filled_by_one_chunk_at_a_time():
    rng, free, taken = random.Random(0), FreeSlots(Slots(5, 10, 2, 100)), set()
    refused = 0
    for _ in range(2000):
        size = rng.choice((1, 10, 11, 100))
        slot = free.take(size)
        if slot is None:
            refused += 1
        else:
            assert slot not in taken
            assert (slot >= 5) == (size > 10)
            taken.add(slot)
        if taken and rng.random() < 0.4:
            free.give_back(taken.pop())
    assert refused > 100


def test_the_slot_given_back_last_is_filled_first():
    free = FreeSlots(Slots(3, 10, 1, 100))
    slots = [free.take(1) for _ in range(3)]
    for slot in (slots[2], slots[0]):
        free.give_back(slot)
    assert free.take(1) == slots[0]


def test_refuses_what_can_never_fit():
    with pytest.raises(ValueError, match="101 bytes do not fit into 100"):
        FreeSlots(SMALL).take(101)


@pytest.fixture
def memory():
    memory = FrameMemory.create(Slots(num_chunks=12, chunk_bytes=24, num_huge=1, huge_bytes=100))
    yield memory
    memory.seal()


def test_a_slot_is_given_back_when_nothing_refers_to_its_frames(memory):
    held = HeldSlots(memory)
    frames = held.frames(3, SHAPE)
    part = frames[1, :, :1]
    assert list(held.unused()) == []
    del frames
    assert list(held.unused()) == []
    del part
    assert list(held.unused()) == [3]
    assert list(held.unused()) == []


def test_held_frames_lie_where_they_were_decoded(memory):
    frames = HeldSlots(memory).frames(3, SHAPE)
    memory.frames(3, *SHAPE)[:] = 7
    assert np.all(frames == 7)


def test_frames_are_copied_where_too_many_slots_are_held(memory):
    held = HeldSlots(memory)
    chunks = [held.frames(slot, SHAPE) for slot in range(8)]
    copied = held.frames(8, SHAPE)
    assert list(held.unused()) == [8]
    memory.frames(8, *SHAPE)[:] = 7
    assert not copied.any()
    del chunks[2]
    assert list(held.unused()) == [2]
    again = held.frames(8, SHAPE)
    assert list(held.unused()) == []
    assert np.all(again == 7)


def test_huge_frames_are_copied(memory):
    held = HeldSlots(memory)
    held.frames(12, (1, 5, 6))
    assert list(held.unused()) == [12]


def write_seven(memory):
    memory.frames(1, 2, 2, 2)[1] = 7


def test_another_process_sees_the_same_bytes():
    memory = FrameMemory.create(SMALL)
    process = get_context("spawn").Process(target=write_seven, args=(memory,))
    process.start()
    memory.seal()
    process.join()
    assert process.exitcode == 0
    assert [int(frame.max()) for frame in memory.frames(1, 2, 2, 2)] == [0, 7]
    assert not memory.frames(0, 2, 2, 2).any()


def test_frames_outlive_the_memory_object():
    memory = FrameMemory.create(SMALL)
    frames = memory.frames(0, 1, 2, 2)
    memory.seal()
    del memory
    frames[:] = 5
    assert np.all(frames == 5)


def test_nothing_with_a_name_is_made():
    before = set(os.listdir("/dev/shm"))
    memory = FrameMemory.create(Slots())
    memory.frames(0, 1, 100, 100)[:] = 1
    assert set(os.listdir("/dev/shm")) == before
    memory.seal()
