"""Everything that a plan tells, put together from the sample and from what was measured."""

from dataclasses import dataclass

from extract.planning.counts import Counts, VideoSample, count
from extract.planning.disk import Disk, disk
from extract.planning.gpus import GPU_TYPES
from extract.planning.hours import GpuHours, StreamHours, gpu_hours, stream_hours
from extract.planning.steps import Step
from extract.planning.work import StreamWork
from extract.settings import ExtractSettings


@dataclass(frozen=True)
class Machine:
    """Where the work was measured."""

    device: str
    """Name of the GPU, or ``cpu``."""
    cores: int
    """Cores that this process may use."""
    is_cpu: bool
    """Whether networks and decoders share the cores."""
    load: float
    """Programs that were running on average in the minute before."""

    @property
    def is_busy(self) -> bool:
        """Whether others took so much of the machine that it seems slower than it is."""
        return self.load > self.cores / 2


@dataclass(frozen=True)
class ExtractionPlan:
    """The plan of one pipeline on one set of videos."""

    pipeline: str
    sample: VideoSample
    counts: Counts
    disk: Disk
    machine: Machine
    workers: int
    """Processes that decode on this machine."""
    rgb: StreamWork
    pose: StreamWork
    rgb_hours: StreamHours
    pose_hours: StreamHours
    gpus: tuple[GpuHours, ...]
    steps: tuple[Step, ...]
    downloads: tuple[str, ...]
    is_drawn: bool
    """Whether decoding was measured on a drawn video, for want of real ones."""
    leaves_out_frames: bool
    """Whether frames without a usable hand make no clips, so that there are fewer of them."""

    @property
    def hours_of_video(self) -> float:
        """Length of all videos together."""
        return self.counts.frames / self.sample.mean_fps / 3600


def make_plan(
    pipeline: str,
    settings: ExtractSettings,
    sample: VideoSample,
    works: tuple[StreamWork, StreamWork],
    machine: Machine,
    steps: list[Step],
    downloads: list[str],
    *,
    is_drawn: bool,
) -> ExtractionPlan:
    """The plan that follows from what was found and measured; ``works`` are RGB's and pose's."""
    rgb, pose = works
    counts = count(sample, settings)
    workers = max(1, min(settings.run.decode_workers, machine.cores))
    rgb_hours, pose_hours = (
        stream_hours(counts, stream, workers, shares_cores=machine.is_cpu) for stream in works
    )
    return ExtractionPlan(
        pipeline=pipeline,
        sample=sample,
        counts=counts,
        disk=disk(counts, sample.raw_bytes, settings),
        machine=machine,
        workers=workers,
        rgb=rgb,
        pose=pose,
        rgb_hours=rgb_hours,
        pose_hours=pose_hours,
        gpus=tuple(gpu_hours(counts, rgb, pose, gpu) for gpu in GPU_TYPES),
        steps=tuple(steps),
        downloads=tuple(downloads),
        is_drawn=is_drawn,
        leaves_out_frames=settings.rgb.frames == "hands",
    )
