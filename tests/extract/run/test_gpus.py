import pytest

from extract.run.hours import GPU_TYPES, MOST_OF_PEAK, expected_share

BY_NAME = {gpu.name: gpu for gpu in GPU_TYPES}


def test_arithmetic_that_a_gpu_lacks_is_float32():
    t4 = BY_NAME["T4"]
    assert t4.peak("bfloat16") == t4.peak("float32") == pytest.approx(8.1e12)
    assert t4.peak("float16") == 65e12


def test_newer_gpus_have_it():
    a100 = BY_NAME["A100 SXM"]
    assert a100.peak("bfloat16") == a100.peak("float16") == 312e12


@pytest.mark.parametrize("gpu", GPU_TYPES, ids=lambda gpu: gpu.name)
def test_rates_are_plausible_and_have_a_source(gpu):
    assert gpu.peak("float32") <= gpu.peak("float16")
    assert gpu.source.startswith("https://")


def test_the_share_that_is_reached_here_is_capped():
    assert expected_share(0.1, "float32") == 0.1
    for arithmetic, most in MOST_OF_PEAK.items():
        assert expected_share(0.9, arithmetic) == most
