"""From counts and measured rates to disk and hours, here and on other GPUs."""

from dataclasses import replace

import pytest

from extract.run.hours import (
    GPU_TYPES,
    MOST_OF_PEAK,
    Counts,
    GpuType,
    StreamWork,
    Work,
    disk,
    expected_fraction,
    gpu_hours,
    network_hours,
    seconds_on,
    stream_hours,
    workers_to_keep_up,
)
from extract.settings import ExtractSettings, RgbSettings

COUNTS = Counts(videos=100, frames=36_000, timeline_frames=18_000, clips=3_600)
GPU = GpuType("made up", 1e12, 10e12, has_bfloat16=True, source="")


def test_on_a_cpu_decoding_takes_time_from_the_network(works):
    rgb, pose = works
    found = stream_hours(COUNTS, rgb, 2, shares_cores=True)
    assert found.network == pytest.approx(3_600 * 2.0 / 3600)
    assert found.decoding == pytest.approx(36_000 * 0.02 / 3600)
    assert found.in_all == pytest.approx(2.0 + 0.2 / 2)
    assert stream_hours(COUNTS, pose, 1, shares_cores=True).network == pytest.approx(2.5)


def test_beside_a_gpu_the_slower_one_decides(works):
    rgb, _ = works
    slow = replace(rgb, decode_seconds=0.5)
    assert stream_hours(COUNTS, slow, 1, shares_cores=False).in_all == pytest.approx(5.0)
    assert stream_hours(COUNTS, slow, 4, shares_cores=False).in_all == pytest.approx(2.0)
    assert stream_hours(COUNTS, slow, 0, shares_cores=False).in_all == pytest.approx(5.0)


def test_a_gpu_does_the_operations_at_a_share_of_its_peak(works):
    rgb, pose = works
    # 50 % of the matrix rate were reached here, and so of 1 TFLOPS; 20 % of float16 are the most.
    assert seconds_on(GPU, rgb.works[0], "float32") == pytest.approx(40e9 / 0.5e12)
    assert seconds_on(GPU, rgb.works[0], "float16") == pytest.approx(40e9 / (0.2 * 10e12))
    # What stays on the CPU does not become faster.
    assert seconds_on(GPU, pose.works[0], "float32") == pytest.approx(20e9 / 0.5e12 + 0.1)


def test_a_model_that_runs_on_no_gpu_takes_as_long_as_here(works):
    _, pose = works
    mediapipe = replace(pose.works[0], operations=0.0, host_seconds=0.5)
    assert seconds_on(GPU, mediapipe, "float16") == 0.5


def test_all_networks_of_a_stream_count(works):
    _, pose = works
    detector = replace(pose.works[0], name="person detector", reduced="float32", host_seconds=0.0)
    both = replace(pose, works=(*pose.works, detector))
    of_keypoints = network_hours(COUNTS, pose, GPU)
    assert network_hours(COUNTS, both, GPU) > of_keypoints
    added = network_hours(COUNTS, both, GPU, is_reduced=True) - network_hours(
        COUNTS, pose, GPU, is_reduced=True
    )
    seconds = seconds_on(GPU, detector, "float32")  # float16 is not for the detector
    assert added == pytest.approx(18_000 * seconds / 3600)


def test_hours_of_a_gpu(works):
    rgb, pose = works
    found = gpu_hours(COUNTS, rgb, pose, GPU)
    assert found.gpu == "made up"
    assert found.rgb == pytest.approx(3_600 * 0.08 / 3600)
    assert found.rgb_reduced == pytest.approx(3_600 * 0.02 / 3600)
    assert found.pose == pytest.approx(18_000 * 0.14 / 3600)
    assert found.rgb_workers == 3  # 0.2 hours of decoding in 0.08
    assert found.pose_workers == 1


def test_decoders_are_whole_and_at_least_one():
    assert workers_to_keep_up(9.0, 3.0) == 3
    assert workers_to_keep_up(0.001, 3.0) == 1


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
    assert expected_fraction(0.1, "float32") == 0.1
    for arithmetic, most in MOST_OF_PEAK.items():
        assert expected_fraction(0.9, arithmetic) == most


def test_the_share_leaves_out_what_the_cpu_does(works):
    _, pose = works
    (keypoints,) = pose.works
    assert keypoints.fraction_of_matrix_rate == pytest.approx(20e9 / 0.4 / 100e9)


def test_a_network_outside_pytorch_reaches_nothing():
    mediapipe = Work("keypoint model", 0.1, 0.1, 0.0, "float32", "float16", 100e9)
    assert mediapipe.fraction_of_matrix_rate == 0


def test_rates_of_a_stream(works):
    _, pose = works
    both = StreamWork("pose", (*pose.works, *pose.works), 0.01)
    assert both.rows_a_second == pytest.approx(1.0)
    assert both.frames_decoded_a_second == pytest.approx(100)


ROWS = Counts(videos=1, frames=1000, timeline_frames=300, clips=64)


def test_rows_times_their_bytes():
    found = disk(ROWS, 5, ExtractSettings())
    assert found.raw == 5
    assert found.pose_store == 300 * (133 * 3 * 4 + 1 + 4 * 4 + 4)
    assert found.rgb_store == 64 * (1024 * 4 + 4 + 4)


def test_settings_decide_how_large_a_row_is():
    rgb = RgbSettings(backbone="mvit_v2_s", store_dtype="float16", frames="hands")
    found = disk(ROWS, None, ExtractSettings(rgb=rgb))
    assert found.raw is None
    assert found.rgb_store == 64 * (768 * 2 + 4 + 4 + 16 * 4)
