"""Runs a pipeline's own networks on a few frames, to learn what a row costs here.

The weights are random: they change nothing about the speed, and nothing has to be downloaded. A
person detector with random weights finds nobody, so it is measured beside the keypoint model, which
sees whole frames.
"""

import numpy as np
import torch
from jaxtyping import UInt8

from extract.planning.gpus import Arithmetic
from extract.planning.network_clock import Measured, matrix_rate, measure
from extract.planning.work import Work
from extract.pose.estimate import WholeFrameBoxes, pose_pieces, pose_rows
from extract.pose.person_detector import TorchvisionPersonDetector, empty_detector
from extract.pose.pose_stream import PoseStream
from extract.rgb.clip_features import clip_features
from extract.rgb.rgb_stream import RgbStream
from extract.settings import ExtractSettings, PoseSettings
from extract.stream import Rows
from seds_core.pipeline_file import with_changes

CLIPS_ON_CPU = 2
FRAMES_ON_CPU = 4
"""Rows that are measured without a GPU, where they take a second each; with one, whole batches."""

Frames = UInt8[np.ndarray, "frame height width channel=3"]

_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def measurable(settings: ExtractSettings, device: torch.device) -> ExtractSettings:
    """The settings with random weights, all frames as clips, and whole frames as boxes.

    Without a GPU also with small batches.
    """
    settings = with_changes(settings, "rgb", {"weights": "random", "frames": "all"})
    clips, frames = settings.run.rgb_batch, settings.pose.batch_size
    if device.type == "cpu":
        clips, frames = min(clips, CLIPS_ON_CPU), min(frames, FRAMES_ON_CPU)
    without_box_file = settings.pose.model_copy(
        update={
            "person_box": "whole_frame", "person_box_file": None, "checkpoint": "random",
            "batch_size": frames,
        }
    )  # fmt: skip
    run = settings.run.model_copy(update={"rgb_batch": clips})
    return settings.model_copy(update={"pose": without_box_file, "run": run})


def rgb_work(stream: RgbStream, frames: Frames) -> Work:
    """A clip's cost; ``frames`` are as the decoder resizes them for the stream."""
    backbone, settings = stream.backbone, stream.settings
    batch = settings.run.rgb_batch
    enough = _repeated(frames, backbone.clip_length + batch - 1)
    measured = measure(
        lambda: clip_features(
            backbone,
            [enough],
            range(batch),
            batch_size=batch,
            precision=settings.rgb.precision,
        ),
        backbone.device,
    )
    # Frames are cropped and scaled on the network's device, wherever that is.
    return _work("video network", measured, batch, settings.rgb.precision, backbone.device, 0.0)


def keypoint_work(stream: PoseStream, frames: Frames, device: torch.device) -> Work:
    """A frame's cost in the keypoint model; ``frames`` are as they are decoded."""
    settings = stream.settings.pose
    batch = settings.batch_size
    enough = _repeated(frames, batch)
    boxes = WholeFrameBoxes(settings.person_threshold)

    def rows() -> list[Rows]:
        pieces = pose_pieces(stream.estimator, boxes, [enough], batch_size=batch)
        return pose_rows(stream.estimator, list(pieces))

    measured = measure(rows, device)
    return _work(
        "keypoint model", measured, batch, settings.precision, device, measured.host_seconds
    )


def detector_work(settings: PoseSettings, frames: Frames, device: torch.device) -> Work | None:
    """A frame's share of the person detector's cost; ``None`` for pipelines without one."""
    if settings.person_box != "detector":
        return None
    network = empty_detector(settings.person_detector.network).to(device).eval()
    detect = TorchvisionPersonDetector(network, settings.person_detector.score_threshold, device)
    measured = measure(lambda: detect(frames[0]), device)
    step = settings.person_detector.every_nth_frame
    return _work("person detector", measured, step, "float32", device, 0.0, reduced="float32")


def _work(
    name: str,
    measured: Measured,
    num_rows: int,
    arithmetic: Arithmetic,
    device: torch.device,
    host_seconds: float,
    *,
    reduced: Arithmetic = "float16",
) -> Work:
    dtype = torch.float32 if device.type == "cpu" else _DTYPES[arithmetic]
    return Work(
        name=name,
        seconds=measured.seconds / num_rows,
        host_seconds=host_seconds / num_rows,
        operations=measured.operations / num_rows,
        arithmetic=arithmetic,
        reduced=reduced,
        matrix_rate=matrix_rate(device, dtype),
    )


def _repeated(
    frames: UInt8[np.ndarray, "_ height width channel=3"], count: int
) -> UInt8[np.ndarray, "frame height width channel=3"]:
    """So many frames, from the beginning again where there are fewer."""
    return frames[np.arange(count) % len(frames)]
