import math

import pytest

from train.optimisation.optimiser import rate_share


def test_rates_rise_linearly_and_then_follow_a_cosine_of_all_steps():
    shares = [rate_share(step, 40, 0.1) for step in range(41)]
    assert shares[:4] == pytest.approx([0.0, 0.25, 0.5, 0.75])
    expected = [0.5 * (1 + math.cos(math.pi * step / 40)) for step in range(4, 41)]
    assert shares[4:] == pytest.approx(expected)


def test_without_warm_up_the_first_step_has_the_highest_rate():
    assert rate_share(0, 10, 0.0) == 1.0
