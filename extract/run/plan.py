"""What a pipeline would take, behind ``seds-extract plan``: measured here, in tables or as JSON."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from extract.run.command import listed_videos
from extract.run.estimate import VideoSample, count, decode_some, sample_videos
from extract.run.hours import (
    GPU_TYPES,
    MOST_OF_PEAK,
    Counts,
    Disk,
    GpuHours,
    StreamHours,
    StreamWork,
    disk,
    gpu_hours,
    stream_hours,
)
from extract.run.releases import (
    ONE_HOUR,
    RELEASES,
    Step,
    archives,
    draw_sample,
    sample_of,
    steps,
    weights_files,
)
from extract.run.streams import extraction_device
from extract.settings import ExtractSettings
from extract.videos.listing import ListedVideo, VideoList
from seds_core.command_line import PIPELINE_FILE
from seds_core.console import messages, print_json, results
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section

_UNITS = {"TB": 1e12, "GB": 1e9, "MB": 1e6}


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
        """Whether other programs took so much of the machine that it seems slower than it is."""
        return self.load > self.cores / 2


@dataclass(frozen=True)
class ExtractionPlan:
    """The plan of one pipeline on one set of videos; its fields are the keys of the JSON output."""

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


def run_plan(
    pipeline: str = "custom",
    *,
    pipelines: Path = PIPELINE_FILE,
    videos: Sequence[str] = (),
    index: Path | None = None,
    sample: int = 200,
    device: str = "auto",
    as_json: bool = False,
) -> int:
    """Looks into videos, measures the networks, prints the plan and returns the exit code.

    At most ``sample`` of the videos, evenly chosen, are opened. Without ``videos`` (folders, files
    and patterns) and ``index``, the published size of the pipeline's data set is planned for, or an
    hour of video. Raises ``UsageError`` for options that do not fit each other or their files,
    before anything heavy is loaded, and ``UnavailableError`` when no video can be decoded.
    """
    if index and videos:
        raise UsageError("name the videos either with --videos or with --index")
    if sample < 1:
        raise UsageError(f"--sample is {sample}; look into one video at least")
    settings = read_section(pipelines, pipeline, "extract", ExtractSettings)
    listed = listed_videos(videos, index) if index or videos else None
    source = str(index or ", ".join(videos))
    if listed is not None and not listed.videos:
        raise UsageError(f"{source} names no video")

    # Looking and measuring take a minute; what follows from them is arithmetic.
    machine, found, works = _measure(pipeline, settings, listed, source, sample, device)
    plan = make_plan(
        pipeline,
        settings,
        found,
        works,
        machine,
        steps(pipeline, settings, videos=videos, index=index, pipelines=pipelines),
        [*([] if listed else archives(pipeline)), *weights_files(settings)],
        is_drawn=listed is None,
    )
    if as_json:
        print_json(as_values(plan))
    else:
        results.print(plan_tables(plan))
    return 0


def _measure(
    pipeline: str,
    settings: ExtractSettings,
    listed: VideoList | None,
    source: str,
    limit: int,
    device_name: str,
) -> tuple[Machine, VideoSample, tuple[StreamWork, StreamWork]]:
    """The machine, what the videos are like, and what RGB and pose cost here.

    Where no videos are ``listed`` the data set's published size serves, and a video is drawn.
    """
    load = os.getloadavg()[0]  # before this program adds to it
    # Torch and the networks take seconds to import: only now that the options are known to fit.
    import torch  # noqa: PLC0415

    from extract.pose.pose_stream import PoseStream  # noqa: PLC0415
    from extract.rgb.rgb_stream import RgbStream  # noqa: PLC0415
    from extract.run import measured_work as measured  # noqa: PLC0415

    device = extraction_device(device_name)
    messages.print("loading the pipeline's networks, with random weights: they are as fast")
    quick = measured.measurable(settings, device)
    rgb, pose = RgbStream.load(quick, str(device)), PoseStream.load(quick, str(device))
    videos: Sequence[ListedVideo]
    with tempfile.TemporaryDirectory(prefix="seds-plan-") as folder:
        # Without videos of their own, the published lengths are counted and a drawn video of the
        # data set's size and form is decoded.
        if listed is None:
            release = RELEASES.get(pipeline, ONE_HOUR)
            sample, videos = sample_of(release), (draw_sample(release, Path(folder)),)
        else:
            sample, videos = sample_videos(listed.videos, limit, pose, settings.frames, source)
        messages.print("measuring decoding and the networks on a few frames")
        # Each stream has the decoder resize frames in its own way, so decoding is measured twice.
        decoded = decode_some(videos, rgb, settings.frames)
        of_rgb = StreamWork(
            "rgb", (measured.rgb_work(rgb, decoded.frames),), decoded.seconds_a_frame
        )
        decoded = decode_some(videos, pose, settings.frames)
        keypoints = measured.keypoint_work(pose, decoded.frames, device)
        detector = measured.detector_work(settings.pose, decoded.frames, device)
        works = (keypoints, detector) if detector else (keypoints,)
        of_pose = StreamWork("pose", works, decoded.seconds_a_frame)
    is_cpu = device.type == "cpu"
    name = "cpu" if is_cpu else torch.cuda.get_device_name(device)
    machine = Machine(name, len(os.sched_getaffinity(0)), is_cpu=is_cpu, load=load)
    return machine, sample, (of_rgb, of_pose)


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
    # More decoders than cores would only wait for each other.
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


def plan_tables(plan: ExtractionPlan) -> Group:
    """What there is, what it takes, and what to type."""
    return Group(
        _videos_table(plan),
        _machine_table(plan),
        _gpu_table(plan),
        _notes(plan),
        _what_to_type(plan),
    )


def as_values(plan: ExtractionPlan) -> dict[str, Any]:
    """The whole plan as values of JSON, with the assumptions that it rests on."""
    values = asdict(plan)
    # Properties are not among the fields, and programs want them too.
    for stream in ("rgb", "pose"):
        work: StreamWork = getattr(plan, stream)
        for told, of_network in zip(values[stream]["works"], work.works, strict=True):
            told["share_of_matrix_rate"] = of_network.fraction_of_matrix_rate
        values[stream]["rows_a_second"] = work.rows_a_second
        values[stream]["frames_decoded_a_second"] = work.frames_decoded_a_second
    return {
        "event": "plan",
        **values,
        "hours_of_video": plan.hours_of_video,
        "is_extrapolated": not plan.sample.is_whole,
        "assumptions": {
            "most_of_peak": dict(MOST_OF_PEAK),
            "peaks": [asdict(gpu) for gpu in GPU_TYPES],
        },
    }


def _videos_table(plan: ExtractionPlan) -> Table:
    sample, counts, disk = plan.sample, plan.counts, plan.disk
    table = Table(
        title=escape(f"Plan of pipeline {plan.pipeline}: {sample.source}"),
        title_justify="left",
        show_header=False,
    )
    # How much of the counts below was seen, and how much is extrapolated.
    broken = f", {sample.num_unreadable:,} cannot be opened" if sample.num_unreadable else ""
    num_seen = "all" if sample.is_whole else f"{sample.num_seen:,} of {sample.num_videos:,}"
    known = f" ({num_seen} looked into{broken})"
    if plan.is_drawn:
        known = ", by what is published of them"
    about = "" if sample.is_whole else "about "
    table.add_row("videos", f"{counts.videos:,}{known}")
    table.add_row("length", f"{about}{_time(plan.hours_of_video)}, {counts.frames:,} frames")
    table.add_row("pose rows", f"{about}{counts.timeline_frames:,} frames")
    table.add_row("RGB rows", f"{about}{counts.clips:,} clips")
    table.add_section()
    table.add_row("disk, raw", _size(disk.raw))
    table.add_row("disk, pose store", f"{_size(disk.pose_store)} before compression")
    table.add_row("disk, RGB store", f"{_size(disk.rgb_store)} before compression")
    return table


def _machine_table(plan: ExtractionPlan) -> Table:
    machine = plan.machine
    table = Table(
        title=f"This machine: {escape(machine.device)}, {machine.cores} cores",
        title_justify="left",
    )
    for name in ("stream", "network, rows/s", "decoding, frames/s a process", "time"):
        table.add_column(name, justify="left" if name == "stream" else "right")
    for stream, hours in ((plan.pose, plan.pose_hours), (plan.rgb, plan.rgb_hours)):
        table.add_row(
            stream.kind,
            f"{stream.rows_a_second:,.2f}",
            f"{stream.frames_decoded_a_second:,.0f}",
            _time(hours.in_all),
        )
    both = plan.pose_hours.in_all + plan.rgb_hours.in_all
    table.add_row("both", "", "", _time(both), style="bold")
    return table


def _gpu_table(plan: ExtractionPlan) -> Table:
    table = Table(title="Time by type of GPU, one of them", title_justify="left")
    table.add_column("GPU")
    for name in ("pose", "RGB", "both", "both in float16", "decoders, pose", "decoders, RGB"):
        table.add_column(name, justify="right")
    for gpu in plan.gpus:
        table.add_row(
            gpu.gpu,
            _time(gpu.pose),
            _time(gpu.rgb),
            _time(gpu.pose + gpu.rgb),
            _time(gpu.pose_reduced + gpu.rgb_reduced),
            f"{gpu.pose_workers:,}",
            f"{gpu.rgb_workers:,}",
        )
    return table


def _notes(plan: ExtractionPlan) -> Text:
    most = ", ".join(f"{fraction:.0%} of {name}" for name, fraction in MOST_OF_PEAK.items())
    # Both rates are measured, so that a fraction may come out above 1.
    reached = ", ".join(
        f"{work.name} {min(work.fraction_of_matrix_rate, 1):.0%}"
        for stream in (plan.rgb, plan.pose)
        for work in stream.works
        if work.operations
    )
    on_host = sum(work.host_seconds for work in plan.pose.works)
    lines = [
        "Networks were measured with random weights, which are as fast as any.",
        "GPUs: operations counted by PyTorch, at the fraction of its own matrix rate that this "
        f"machine reaches ({reached}), but at most {most} peak. Expect a factor of two either "
        "way.",
        f"Of pose, {1000 * on_host:,.1f} ms a frame stay on one core whatever the GPU (crops, "
        "points from heatmaps). Several processes on one store share it, on one GPU or on many.",
        "'decoders' are processes on cores like these that keep up with the GPU in the pipeline's "
        "precision: with fewer, decoding decides. Set run.decode_workers.",
    ]
    if plan.leaves_out_frames:
        lines.append("Clips and hours of RGB are upper bounds: frames without hands are left out.")
    if plan.machine.is_busy:
        lines.append(
            f"This machine was busy (load {plan.machine.load:.1f} on {plan.machine.cores} cores): "
            "what was measured is too slow. Plan again when it is idle."
        )
    if plan.is_drawn:
        lines.append("Decoding was measured on a drawn video; name real ones with --index.")
    return Text("\n".join(lines), style="dim")


def _what_to_type(plan: ExtractionPlan) -> Text:
    text = Text("\nTo fetch:\n", style="bold")
    for name in plan.downloads:
        text.append(f"  {name}\n", style="not bold")
    text.append("To run, in this order:\n")
    for step in plan.steps:
        text.append(f"  # {step.purpose}\n", style="not bold dim")
        text.append(f"  {step.command}\n", style="not bold")
    return text


def _time(hours: float) -> str:
    """In the unit that a person would choose.

    >>> _time(7.6e-05), _time(0.01), _time(0.5), _time(3.14), _time(1234.5)
    ('under 1 s', '36 s', '30 min', '3.1 h', '1,234 h')
    """
    seconds = hours * 3600
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if hours < 2:
        return f"{seconds / 60:.0f} min"
    return f"{hours:,.1f} h" if hours < 100 else f"{hours:,.0f} h"


def _size(num_bytes: int | None) -> str:
    """In units of powers of ten, as disks are sold.

    >>> _size(8_300_000_000), _size(20_000)
    ('8.3 GB', '0.0 MB')
    """
    if num_bytes is None:
        return "not known"
    unit = next((name for name, size in _UNITS.items() if num_bytes >= size), "MB")
    return f"{num_bytes / _UNITS[unit]:,.1f} {unit}"
