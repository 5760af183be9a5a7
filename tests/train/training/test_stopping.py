import signal

import pytest

from train.training.loop import noted_stop_requests


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_is_noted_and_nothing_else(number):
    before = signal.getsignal(number)
    with noted_stop_requests() as request:
        assert request.signal_number == 0
        signal.raise_signal(number)
        assert request.signal_number == number
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_ends_at_once():
    with noted_stop_requests():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def stop_twice_within_a_library():
    with noted_stop_requests():
        signal.raise_signal(signal.SIGINT)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("unexpected position in the file") from None


def fail_after_a_request():
    with noted_stop_requests():
        signal.raise_signal(signal.SIGINT)
        raise RuntimeError("ours")


def test_what_a_library_makes_of_a_second_ctrl_c_is_one():
    with pytest.raises(KeyboardInterrupt):
        stop_twice_within_a_library()
    with pytest.raises(RuntimeError, match="ours"):
        fail_after_a_request()


def test_a_second_sigterm_changes_nothing():
    with noted_stop_requests() as request:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert request.signal_number == signal.SIGTERM


def test_what_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with noted_stop_requests() as request:
            signal.raise_signal(signal.SIGINT)
            assert request.signal_number == 0
            signal.raise_signal(signal.SIGTERM)
            assert request.signal_number == signal.SIGTERM
    finally:
        signal.signal(signal.SIGINT, before)
