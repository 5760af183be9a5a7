"""What a row costs here, measured with the pipeline's own networks."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from extract.pose.pose_stream import PoseStream
from extract.rgb.rgb_stream import RgbStream
from extract.run import measured_work
from extract.run.measured_work import (
    Measured,
    detector_work,
    keypoint_work,
    matrix_rate,
    measurable,
    measure,
    rgb_work,
)
from extract.settings import ExtractSettings, PersonDetectorSettings, PoseSettings, RgbSettings

CPU = torch.device("cpu")
FRAMES = np.zeros((3, 256, 256, 3), np.uint8)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(measured_work, "TIMED_RUNS", 1)
    monkeypatch.setitem(measured_work._MATRIX_SIDE, "cpu", 128)
    monkeypatch.setattr(measured_work, "CLIPS_ON_CPU", 1)


def test_nothing_that_is_measured_needs_a_file(tmp_path):
    settings = ExtractSettings(
        rgb=RgbSettings(weights="bsl5k", frames="hands", backbone="s3d"),
        pose=PoseSettings(person_box="csv", person_box_file=tmp_path / "missing.csv"),
    )
    found = measurable(settings, CPU)
    assert (found.rgb.weights, found.rgb.frames, found.rgb.backbone) == ("random", "all", "s3d")
    assert (found.pose.checkpoint, found.pose.person_box) == ("random", "whole_frame")
    assert found.frames == settings.frames
    assert (found.run.rgb_batch, found.pose.batch_size) == (1, 4)


def test_a_gpu_is_measured_with_whole_batches():
    settings = ExtractSettings()
    found = measurable(settings, torch.device("cuda"))
    assert found.run == settings.run
    assert found.pose.batch_size == settings.pose.batch_size


def test_a_clip_costs_what_inception_i3d_costs():
    stream = RgbStream.load(measurable(ExtractSettings(), CPU), "cpu")
    work = rgb_work(stream, FRAMES)  # fewer frames than a clip has
    assert work.operations == pytest.approx(55.6e9, rel=0.01)
    assert work.seconds > 0
    assert work.host_seconds == 0
    assert (work.arithmetic, work.reduced) == ("float32", "float16")


@pytest.mark.mmpose
def test_a_frame_has_a_part_that_no_gpu_does():
    settings = ExtractSettings(pose=PoseSettings(model="demo", batch_size=2))
    work = keypoint_work(PoseStream.load(measurable(settings, CPU), "cpu"), FRAMES, CPU)
    assert work.operations == pytest.approx(1.1e9, rel=0.1)
    assert 0 < work.host_seconds < work.seconds
    assert work.arithmetic == "float32"


def test_a_detector_looks_at_some_frames_only(monkeypatch):
    looked = []
    monkeypatch.setattr(measured_work, "empty_detector", lambda name: torch.nn.Linear(1, 1))
    monkeypatch.setattr(
        measured_work, "measure", lambda look, device: looked.append(look) or Measured(1.0, 0.2, 50)
    )
    every_tenth = PersonDetectorSettings(every_nth_frame=10)
    settings = PoseSettings(person_box="detector", person_detector=every_tenth)
    work = detector_work(settings, FRAMES, CPU)
    assert (work.seconds, work.operations) == (0.1, 5)
    assert work.host_seconds == 0
    assert (work.arithmetic, work.reduced) == ("float32", "float32")  # it knows no other precision
    assert detector_work(PoseSettings(), FRAMES, CPU) is None
    assert len(looked) == 1


class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 4)

    def forward(self, values):
        work_for(0.03)
        return self.linear(values)


def work_for(seconds):
    """Keeps this thread busy."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_time_within_networks_is_told_from_the_rest():
    network = Slow()

    def work():
        work_for(0.02)
        network(torch.zeros(5, 8))
        time.sleep(0.02)

    found = measure(work, CPU)
    assert found.seconds >= 0.07
    assert 0.02 <= found.host_seconds < 0.03  # neither the network nor the sleep


def test_operations_are_multiplications_and_additions():
    network = nn.Linear(8, 4)
    assert measure(lambda: network(torch.zeros(5, 8)), CPU).operations == 2 * 5 * 8 * 4


def test_the_fastest_run_counts(monkeypatch):
    pauses = iter([0.0, 0.5, 0.01])
    monkeypatch.setattr(measured_work, "TIMED_RUNS", 2)
    found = measure(lambda: time.sleep(next(pauses)), CPU)
    assert 0.01 <= found.seconds < 0.4
    assert found.operations == 0


def test_nothing_stays_hooked_after_an_error():
    def fail():
        raise RuntimeError("broken")

    hooks = nn.modules.module._global_forward_hooks
    calls = iter([lambda: None, fail])
    with pytest.raises(RuntimeError, match="broken"):
        measure(lambda: next(calls)(), CPU)
    assert len(hooks) == 0


def test_the_rate_of_matrix_products(monkeypatch):
    monkeypatch.setitem(measured_work._MATRIX_SIDE, "cpu", 64)
    assert 1e6 < matrix_rate(CPU, torch.float32) < 1e15


def test_one_dnns_own_convolution_is_counted():
    plain = nn.Conv2d(6, 4, 3, stride=2, groups=2)
    images = torch.zeros(2, 6, 9, 8)
    geometry = ((0, 0), (2, 2), (1, 1), 2)

    def packed():
        with torch.inference_mode():
            return torch.ops.mkldnn._convolution_pointwise(
                images, plain.weight, plain.bias, *geometry, "relu", [], ""
            )

    expected = measure(lambda: plain(images), CPU).operations
    assert expected == 2 * plain(images).numel() * 3 * 3 * 3
    assert measure(packed, CPU).operations == expected
