import threading
from functools import partial

import pytest

from extract.run.threads import MAX_WAITING, WritingThread


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
