import signal

import pytest

from train.training.stopping import exit_code, noted_stop_requests


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


def test_a_second_sigterm_changes_nothing():
    with noted_stop_requests() as request:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert request.signal_number == signal.SIGTERM


def test_exit_codes_are_those_of_shells():
    assert (exit_code(signal.SIGINT), exit_code(signal.SIGTERM)) == (130, 143)
