from dataclasses import replace

import pytest

from extract.run.hours import (
    GpuType,
    gpu_hours,
    network_hours,
    seconds_on,
    stream_hours,
    workers_to_keep_up,
)
from extract.run.sample import Counts

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
