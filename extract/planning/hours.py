"""From counts and measured rates to hours: on this machine and on other GPUs."""

import math
from dataclasses import dataclass

from extract.planning.counts import Counts
from extract.planning.gpus import Arithmetic, GpuType, expected_share
from extract.planning.work import StreamWork, Work
from seds_core.store.layout import StoreKind

_SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True)
class StreamHours:
    """How long one stream takes on this machine."""

    network: float
    """Hours of the network, without waiting for frames."""
    decoding: float
    """Hours of one process that decodes all frames."""
    in_all: float


@dataclass(frozen=True)
class GpuHours:
    """How long one GPU of a type takes, if decoding keeps up."""

    gpu: str
    rgb: float
    pose: float
    rgb_reduced: float
    """With ``precision: float16``, as the next."""
    pose_reduced: float
    rgb_workers: int
    """Processes on cores like these that decode as fast as the network reads, as the next."""
    pose_workers: int


def stream_hours(
    counts: Counts, stream: StreamWork, workers: int, *, shares_cores: bool
) -> StreamHours:
    """Hours of a stream here, with so many decode workers.

    With ``shares_cores`` the network runs on the CPU and the decoders take their time from it;
    otherwise the slower of the two decides.
    """
    network = _hours(_rows(counts, stream.kind) * sum(work.seconds for work in stream.works))
    decoding = _hours(counts.frames * stream.decode_seconds)
    spread = decoding / max(workers, 1)
    in_all = network + spread if shares_cores else max(network, spread)
    return StreamHours(network, decoding, in_all)


def gpu_hours(counts: Counts, rgb: StreamWork, pose: StreamWork, gpu: GpuType) -> GpuHours:
    """Hours of both streams on one GPU of a type; float32 decides how many decoders keep up."""
    of_rgb, of_pose = (network_hours(counts, stream, gpu) for stream in (rgb, pose))
    return GpuHours(
        gpu=gpu.name,
        rgb=of_rgb,
        pose=of_pose,
        rgb_reduced=network_hours(counts, rgb, gpu, is_reduced=True),
        pose_reduced=network_hours(counts, pose, gpu, is_reduced=True),
        rgb_workers=workers_to_keep_up(_hours(counts.frames * rgb.decode_seconds), of_rgb),
        pose_workers=workers_to_keep_up(_hours(counts.frames * pose.decode_seconds), of_pose),
    )


def network_hours(
    counts: Counts, stream: StreamWork, gpu: GpuType, *, is_reduced: bool = False
) -> float:
    """Hours of a stream's networks on a GPU, in the pipeline's precision or in float16."""
    seconds = (
        seconds_on(gpu, work, work.reduced if is_reduced else work.arithmetic)
        for work in stream.works
    )
    return _hours(_rows(counts, stream.kind) * sum(seconds))


def seconds_on(gpu: GpuType, work: Work, arithmetic: Arithmetic) -> float:
    """Seconds a row: the operations at the share of the peak that is expected, and what stays on
    the CPU."""
    if not work.operations:
        return work.host_seconds
    rate = gpu.peak(arithmetic) * expected_share(work.share_of_matrix_rate, arithmetic)
    return work.operations / rate + work.host_seconds


def workers_to_keep_up(decoding: float, network: float) -> int:
    """Decoders that need no longer than a network; hours of one decoder and of the network.

    >>> workers_to_keep_up(9.0, 2.0)
    5
    """
    return max(1, math.ceil(decoding / network))


def _rows(counts: Counts, kind: StoreKind) -> int:
    return counts.clips if kind == "rgb" else counts.timeline_frames


def _hours(seconds: float) -> float:
    return seconds / _SECONDS_AN_HOUR
