import threading
import time

import pytest

from extract.run.threads import Prefetch


def counted(made, number):
    for item in range(number):
        made.append(item)
        yield item


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def test_items_are_made_ahead_up_to_the_depth_and_no_further():
    made = []
    with Prefetch(counted(made, 10), depth=3) as items:
        assert next(items) == 0
        wait_until(lambda: len(made) == 5)  # one taken, three waiting, one without a place
        time.sleep(0.2)
        assert made == [0, 1, 2, 3, 4]
        assert list(items) == list(range(1, 10))


def test_what_the_generator_raises_comes_after_its_items():
    def breaking():
        yield 1
        raise OSError("the disk is gone")

    with Prefetch(breaking(), depth=5) as items:
        assert next(items) == 1
        with pytest.raises(OSError, match="the disk is gone"):
            next(items)


def test_leaving_early_closes_the_generator_in_its_own_thread():
    closed_in = []

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed_in.append(threading.current_thread())

    with Prefetch(endless(), depth=2) as items:
        next(items)
    (thread,) = closed_in
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


def test_a_generator_that_waits_is_told_to_hurry_only_when_it_is_left_early():
    hurried = threading.Event()

    def waiting():
        yield 1
        assert hurried.wait(30)
        yield 2

    with Prefetch(waiting(), depth=2, hurry=hurried.set) as items:
        next(items)
    assert hurried.is_set()

    calls = []
    with Prefetch(iter([1]), depth=2, hurry=lambda: calls.append(1)) as items:
        assert list(items) == [1]
    assert calls == []
