import random
from collections import deque

import pytest

from extract.videos.decode_worker import ByteRing


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
