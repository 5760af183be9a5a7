"""One ``seds-extract plan`` command: looks into videos, measures on a few frames, and tells."""

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import torch

from extract.pose.pose_stream import PoseStream
from extract.pose.provenance import DEMO, RANDOM, find_model
from extract.rgb.rgb_stream import RgbStream
from extract.run.hours import (
    GPU_TYPES,
    Disk,
    GpuHours,
    StreamHours,
    StreamWork,
    disk,
    gpu_hours,
    stream_hours,
)
from extract.run.measured_work import (
    detector_work,
    keypoint_work,
    measurable,
    rgb_work,
)
from extract.run.sample import (
    ONE_HOUR,
    RELEASES,
    Counts,
    VideoSample,
    count,
    decode_some,
    draw_sample,
    look_into,
    sample_of,
)
from extract.run.streams import extraction_device
from extract.settings import ExtractSettings
from extract.videos.listing import ListedVideo, VideoList, find_videos, videos_of_index
from seds_core.command_line import PIPELINE_FILE
from seds_core.console import messages, results
from seds_core.dataset_index import read_index
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section


@dataclass(frozen=True)
class PlanRequest:
    """The options of one command; nothing has been looked up yet."""

    pipeline_file: Path
    pipeline: str
    index: Path | None = None
    places: tuple[str, ...] = ()
    """Folders, files and patterns. Without these and an index, the published size of the
    pipeline's data set is planned for, or an hour of video."""
    device: str = "auto"
    sample: int = 200
    """Videos, evenly chosen, whose containers are looked into."""
    as_json: bool = False


EXIT_DONE = 0


def run_plan(request: PlanRequest) -> int:
    """Looks into the videos, measures the networks, prints the plan; writes nothing.

    Raises ``UsageError`` for a request that does not fit its files, before anything heavy is
    loaded, and ``UnavailableError`` when no video can be decoded.
    """
    if request.index and request.places:
        raise UsageError("name the videos either with --videos or with --index")
    if request.sample < 1:
        raise UsageError(f"--sample is {request.sample}; look into one video at least")
    settings = read_section(request.pipeline_file, request.pipeline, "extract", ExtractSettings)
    listed = _named_videos(request)
    if listed is not None and not listed.videos:
        raise UsageError(f"{request.index or ', '.join(request.places)} names no video")
    from extract.run.plan_report import as_json, plan_tables  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="seds-plan-") as folder:
        plan = measured_plan(request, settings, listed, Path(folder))
    if request.as_json:
        sys.stdout.write(json.dumps(as_json(plan)) + "\n")
    else:
        results.print(plan_tables(plan))
    return EXIT_DONE


def _named_videos(request: PlanRequest) -> VideoList | None:
    if request.index:
        return videos_of_index(request.index)
    if not request.places:
        return None
    videos = find_videos(request.places)
    for passed_over in videos.passed_over:
        messages.print(str(passed_over), markup=False)
    return videos


@dataclass(frozen=True)
class Step:
    """One command."""

    purpose: str
    command: str


def steps(request: PlanRequest, settings: ExtractSettings) -> list[Step]:
    """The steps that the request leaves to do: one that has an index begins with extraction."""
    name = request.pipeline
    index, first = _index_steps(request)
    pose, rgb = Path(f"stores/{name}-pose.zarr"), Path(f"stores/{name}-rgb.zarr")
    only_hands = ("--pose", pose) if settings.rgb.frames == "hands" else ()
    options = ("--pipeline", name, *_pipeline_file(request), "--index", index)
    extraction = [
        Step("keypoints", _line("seds-extract", "pose", *options, "--out", pose)),
        Step("features", _line("seds-extract", "rgb", *options, "--out", rgb, *only_hands)),
    ]
    run = Path(f"runs/{name}-fusion-seed42")
    compare = ("--compare", "published") if name in RELEASES else ()
    return [
        *first,
        *extraction,
        Step(
            "training",
            _line("seds-train", "--stage", "fusion", *options, "--rgb", rgb, "--pose", pose),
        ),
        Step("score", _line("seds-eval", "--run", run, *compare)),
    ]


def downloads(request: PlanRequest, weights: list[str]) -> list[str]:
    """Names of the files that have to be fetched: the data set's archives, and weights."""
    release = RELEASES.get(request.pipeline)
    archives = release.archives if release and not (request.index or request.places) else ()
    return [*archives, *weights]


def _index_steps(request: PlanRequest) -> tuple[Path, list[Step]]:
    """The index that the stores are made of, and the steps that make it."""
    index = request.index or Path(f"{request.pipeline}.csv")
    made: list[Step] = []
    if request.index is None:
        arguments = RELEASES.get(request.pipeline, ONE_HOUR).captions
        if request.places:
            arguments = (*arguments[:-1], request.places[0])
        command = _line("seds-extract", "captions", *arguments, "--out", index)
        made.append(Step("index of videos and sentences", command))
    if _lacks_crops(request):
        cropped = index.with_name(f"{index.stem}-cropped.csv")
        options = ("--pipeline", request.pipeline, *_pipeline_file(request), "--index", index)
        made.append(
            Step(
                "where the signers are", _line("seds-extract", "boxes", *options, "--out", cropped)
            )
        )
        return cropped, made
    return index, made


def _lacks_crops(request: PlanRequest) -> bool:
    """Whether the data set is published in recordings of which a crop is used, and has none yet."""
    if not RELEASES.get(request.pipeline, ONE_HOUR).crop:
        return False
    if request.index is None:
        return True
    return not any(video.other.get("crop") for video in read_index(request.index))


def _pipeline_file(request: PlanRequest) -> tuple[str | Path, ...]:
    is_default = request.pipeline_file.resolve() == PIPELINE_FILE.resolve()
    return () if is_default else ("--pipelines", request.pipeline_file)


def _line(*words: str | Path) -> str:
    return shlex.join(map(str, words))


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


def measured_plan(
    request: PlanRequest, settings: ExtractSettings, listed: VideoList | None, folder: Path
) -> ExtractionPlan:
    """The plan for videos, or without any for the pipeline's data set, of which one is drawn.

    Raises ``UnavailableError`` when no video can be decoded.
    """
    load = os.getloadavg()[0]  # before this program adds to it
    device = extraction_device(request.device)
    messages.print("loading the pipeline's networks, with random weights: they are as fast")
    sped = measurable(settings, device)
    rgb, pose = RgbStream.load(sped, str(device)), PoseStream.load(sped, str(device))
    sample, videos = _videos(request, listed, settings, pose, folder)
    messages.print("measuring decoding and the networks on a few frames")
    works = _rgb(rgb, videos, settings), _pose(pose, videos, settings, device)
    return make_plan(
        request.pipeline,
        settings,
        sample,
        works,
        _machine(device, load),
        steps(request, settings),
        downloads(request, _weights(settings)),
        is_drawn=not (request.index or request.places),
    )


def _videos(
    request: PlanRequest,
    listed: VideoList | None,
    settings: ExtractSettings,
    stream: PoseStream,
    folder: Path,
) -> tuple[VideoSample, Sequence[ListedVideo]]:
    """What is known of the videos, and those that can be decoded."""
    if listed is None:
        release = RELEASES.get(request.pipeline, ONE_HOUR)
        return sample_of(release), draw_sample(release, folder).videos
    source = str(request.index or ", ".join(request.places))
    return look_into(listed, request.sample, stream, settings.frames, source)


def _rgb(stream: RgbStream, videos: Sequence[ListedVideo], settings: ExtractSettings) -> StreamWork:
    decoded = decode_some(videos, stream, settings.frames)
    return StreamWork("rgb", (rgb_work(stream, decoded.frames),), decoded.seconds_a_frame)


def _pose(
    stream: PoseStream,
    videos: Sequence[ListedVideo],
    settings: ExtractSettings,
    device: torch.device,
) -> StreamWork:
    decoded = decode_some(videos, stream, settings.frames)
    keypoints = keypoint_work(stream, decoded.frames, device)
    detector = detector_work(settings.pose, decoded.frames, device)
    works = (keypoints, detector) if detector else (keypoints,)
    return StreamWork("pose", works, decoded.seconds_a_frame)


def _machine(device: torch.device, load: float) -> Machine:
    name = "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)
    cores = len(os.sched_getaffinity(0))
    return Machine(name, cores, is_cpu=device.type == "cpu", load=load)


def _weights(settings: ExtractSettings) -> list[str]:
    """Names of the weights that the pipeline loads."""
    names = [f"weights '{settings.rgb.weights}' of {settings.rgb.backbone}"]
    pose = settings.pose
    if pose.detector == "mmpose" and pose.model != DEMO and pose.checkpoint != RANDOM:
        checkpoint = find_model(pose.model, pose.checkpoint).checkpoint
        name = PurePosixPath(urlparse(checkpoint).path).name
        names.append(f"{name} of {pose.model} (none with --detector mediapipe)")
    if pose.person_box == "detector":
        names.append(f"torchvision's {pose.person_detector.network}")
    return names
