"""The two threads beside the network's."""

import threading
import time
from functools import partial

import pytest

from extract.run.threads import MAX_WAITING, Prefetch, WritingThread


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


def test_large_items_take_more_of_the_depth():
    made = []
    with Prefetch(counted(made, 20), depth=8, size=lambda item: item) as items:
        # 0 to 4 are larger than 8 together; for 5 there is no place.
        wait_until(lambda: len(made) == 6)
        time.sleep(0.2)
        assert made == [0, 1, 2, 3, 4, 5]
        assert [next(items) for _ in range(4)] == [0, 1, 2, 3]
        # 4 waits still; 5 makes it more than 8.
        wait_until(lambda: len(made) == 7)
        time.sleep(0.2)
        assert made == [0, 1, 2, 3, 4, 5, 6]
        assert list(items) == list(range(4, 20))


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


def test_actions_are_done_in_order_in_another_thread():
    done = []
    with WritingThread() as writing:
        for number in range(20):
            writing.do(lambda number=number: done.append((number, threading.current_thread())))
        writing.finish()
        assert [number for number, _ in done] == list(range(20))
    assert threading.current_thread() not in {thread for _, thread in done}


def test_few_actions_wait():
    gate = threading.Event()
    given = []

    def give_all():
        for number in range(MAX_WAITING + 2):
            writing.do(gate.wait)
            given.append(number)

    with WritingThread() as writing:
        giver = threading.Thread(target=give_all)
        giver.start()
        giver.join(0.3)
        assert giver.is_alive()
        assert len(given) == MAX_WAITING
        gate.set()
        giver.join()
        writing.finish()


def fail():
    raise OSError("no space left")


def test_a_failure_is_raised_to_the_giver():
    with WritingThread() as writing:
        writing.do(fail)
        with pytest.raises(OSError, match="no space left"):
            writing.finish()


def test_a_failure_nobody_waited_for_is_raised_at_the_end():
    with pytest.raises(OSError, match="no space left"), WritingThread() as writing:
        writing.do(fail)


def test_what_was_given_is_done_even_when_the_giver_fails():
    done = []

    def interrupted():
        with WritingThread() as writing:
            writing.do(partial(done.append, 1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == [1]
