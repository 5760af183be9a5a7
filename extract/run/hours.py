"""From counts and measured rates to disk and hours, on this machine and on other GPUs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from extract.rgb.provenance import FEATURE_DIMS
from extract.settings import ExtractSettings
from seds_core.store.layout import ELEMENT_BYTES, ArraySpec, StoreKind, row_arrays

Arithmetic = Literal["float32", "float16", "bfloat16"]
"""What a GPU multiplies in."""

TERA = 1e12


@dataclass(frozen=True)
class GpuType:
    """Dense peak rates in operations a second; a multiplication and an addition are two."""

    name: str
    float32: float
    float16: float
    """Tensor cores, accumulating in float32."""
    has_bfloat16: bool
    source: str
    """Where the rates are published."""

    def peak(self, arithmetic: Arithmetic) -> float:
        """Operations a second; arithmetic that the GPU lacks is done in float32."""
        if arithmetic == "float16" or (arithmetic == "bfloat16" and self.has_bfloat16):
            # Tensor cores multiply both at one rate.
            return self.float16
        return self.float32


GPU_TYPES: tuple[GpuType, ...] = (
    GpuType(
        "T4", 8.1 * TERA, 65 * TERA, has_bfloat16=False,
        source="https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/tesla-t4/t4-tensor-core-datasheet-951643.pdf",
    ),
    GpuType(
        "V100 SXM2", 15.7 * TERA, 125 * TERA, has_bfloat16=False,
        source="https://images.nvidia.com/content/technologies/volta/pdf/volta-v100-datasheet-update-us-1165301-r5.pdf",
    ),
    GpuType(
        "RTX 3090", 35.6 * TERA, 71 * TERA, has_bfloat16=True,
        source="https://www.nvidia.com/content/PDF/nvidia-ampere-ga-102-gpu-architecture-whitepaper-v2.pdf",
    ),
    GpuType(
        "RTX 4090", 82.6 * TERA, 165.2 * TERA, has_bfloat16=True,
        source="https://images.nvidia.com/aem-dam/Solutions/geforce/ada/nvidia-ada-gpu-architecture.pdf",
    ),
    GpuType(
        "A100 SXM", 19.5 * TERA, 312 * TERA, has_bfloat16=True,
        source="https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a100/pdf/nvidia-a100-datasheet-us-nvidia-1758950-r4-web.pdf",
    ),
    GpuType(
        "H100 SXM", 66.9 * TERA, 989.4 * TERA, has_bfloat16=True,
        source="https://resources.nvidia.com/en-us-tensor-core/gtc22-whitepaper-hopper",
    ),
)  # fmt: skip
"""The oldest first."""

MOST_OF_PEAK: Mapping[Arithmetic, float] = {
    "float32": 0.5,
    "float16": 0.2,
    "bfloat16": 0.2,
}
"""The largest fraction of a peak that a plan counts on: an assumption, not a measurement. The
faster the arithmetic, the more the memory limits these networks of many small convolutions."""


def expected_fraction(measured: float, arithmetic: Arithmetic) -> float:
    """The fraction of a GPU's peak to count on, given the one that was reached here."""
    return min(measured, MOST_OF_PEAK[arithmetic])


@dataclass(frozen=True)
class Counts:
    """What an extraction has to get through; estimates unless every video was looked into."""

    videos: int
    """Those that can be read, as far as the sample tells."""
    frames: int
    """All frames: each has to be decoded."""
    timeline_frames: int
    """Rows of the pose store."""
    clips: int
    """Rows of the RGB store; fewer where frames without hands are left out."""

    def rows(self, kind: StoreKind) -> int:
        """Rows of a store of that kind."""
        return self.clips if kind == "rgb" else self.timeline_frames


@dataclass(frozen=True)
class Disk:
    """Bytes of the videos and of the stores."""

    raw: int | None
    """``None`` where it is not known."""
    pose_store: int
    rgb_store: int


def disk(counts: Counts, raw_bytes: int | None, settings: ExtractSettings) -> Disk:
    """Bytes before compression: features hardly shrink, keypoints by a tenth."""
    rgb = settings.rgb
    # Clips of frames with hands are not evenly spaced, so that their rows name every frame.
    rgb_rows = row_arrays(
        "rgb",
        feature_dim=FEATURE_DIMS[rgb.backbone],
        feature_dtype=rgb.store_dtype,
        clip_frames=rgb.clip_length if rgb.frames == "hands" else 0,
    )
    pose_rows = row_arrays("pose", feature_dim=0, feature_dtype="float32", clip_frames=0)
    return Disk(
        raw=raw_bytes,
        pose_store=counts.timeline_frames * row_bytes(pose_rows),
        rgb_store=counts.clips * row_bytes(rgb_rows),
    )


def row_bytes(arrays: tuple[ArraySpec, ...]) -> int:
    """Bytes of one row of all arrays."""
    return sum(ELEMENT_BYTES[array.dtype] * math.prod(array.sizes) for array in arrays)


@dataclass(frozen=True)
class Work:
    """What one network does for one row: a clip of the RGB store, a frame of the pose store."""

    name: str
    seconds: float
    """Total on this machine."""
    host_seconds: float
    """The part that stays on the CPU beside any GPU: crops, and points from heatmaps."""
    operations: float
    """Multiplications and additions of the network, counted by PyTorch; 0 for one that does not
    run in PyTorch, and so on no GPU."""
    arithmetic: Arithmetic
    """What a GPU multiplies in under the pipeline's ``precision``."""
    reduced: Arithmetic
    """What a GPU multiplies in under ``precision: float16``."""
    matrix_rate: float
    """Operations a second of this machine when it multiplies large matrices."""

    @property
    def fraction_of_matrix_rate(self) -> float:
        """How well the network uses the machine: its operations a second over the matrix rate."""
        # What stays on the CPU would not become faster with a faster network.
        seconds = self.seconds - self.host_seconds
        return self.operations / seconds / self.matrix_rate if seconds > 0 else 0.0


@dataclass(frozen=True)
class StreamWork:
    """What a stream does for one row and for one frame."""

    kind: StoreKind
    works: tuple[Work, ...]
    decode_seconds: float
    """One process takes so long for one frame of a video, on the timeline or not."""

    @property
    def rows_a_second(self) -> float:
        """Rows that the networks compute in a second on this machine, if frames are there."""
        return 1 / sum(work.seconds for work in self.works)

    @property
    def frames_decoded_a_second(self) -> float:
        """Frames that one process decodes in a second."""
        return 1 / self.decode_seconds


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
    network = counts.rows(stream.kind) * sum(work.seconds for work in stream.works) / 3600
    decoding = counts.frames * stream.decode_seconds / 3600
    # The run decodes beside the network: with cores of its own it costs only what is longer.
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
        rgb_workers=workers_to_keep_up(counts.frames * rgb.decode_seconds / 3600, of_rgb),
        pose_workers=workers_to_keep_up(counts.frames * pose.decode_seconds / 3600, of_pose),
    )


def network_hours(
    counts: Counts, stream: StreamWork, gpu: GpuType, *, is_reduced: bool = False
) -> float:
    """Hours of a stream's networks on a GPU, in the pipeline's precision or in float16."""
    seconds = (
        seconds_on(gpu, work, work.reduced if is_reduced else work.arithmetic)
        for work in stream.works
    )
    return counts.rows(stream.kind) * sum(seconds) / 3600


def seconds_on(gpu: GpuType, work: Work, arithmetic: Arithmetic) -> float:
    """Seconds a row: its operations at the expected fraction of the peak, and what stays on the
    CPU."""
    # A network outside PyTorch, such as MediaPipe's, runs on no GPU.
    if not work.operations:
        return work.host_seconds
    # A GPU is expected to be used as well as this machine is, up to a limit.
    rate = gpu.peak(arithmetic) * expected_fraction(work.fraction_of_matrix_rate, arithmetic)
    return work.operations / rate + work.host_seconds


def workers_to_keep_up(decoding: float, network: float) -> int:
    """Decoders that need no longer than a network; hours of one decoder and of the network.

    >>> workers_to_keep_up(9.0, 2.0)
    5
    """
    return max(1, math.ceil(decoding / network))
