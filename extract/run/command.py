"""One ``seds-extract rgb`` or ``pose`` command, from its options to the exit code."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from extract.pose.provenance import DEMO, DRAWN_CORPUS_FILE
from extract.run.dry_run import print_dry_run
from extract.run.existing_store import compare, fitted_to, has_everything, video_changed
from extract.run.loop import extract_videos
from extract.run.report import RunProfile, RunReport
from extract.run.streams import known_provenance, load_stream
from extract.settings import ExtractSettings, PoseSettings
from extract.stream import Stream
from extract.videos.decode_pool import DecodePool
from extract.videos.listing import VideoList, find_videos, videos_of_index
from seds_core.command_line import EXIT_ERROR
from seds_core.console import messages, progress_bar, warn
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section, with_changes
from seds_core.store.layout import Provenance, StoreKind
from seds_core.store.reader import StoreReader
from seds_core.store.staging import FailedVideo
from seds_core.store.writer import StoreWriter


@dataclass(frozen=True)
class ExtractionRequest:
    """The options of one command; nothing has been looked up yet."""

    kind: StoreKind
    store: Path
    places: tuple[str, ...]
    """Folders, files and patterns; empty when there is an index."""
    index: Path | None
    pipeline_file: Path
    pipeline: str
    changes: dict[str, str | Path | None] = field(default_factory=dict)
    """Settings of the stream that differ from the pipeline's; ``None`` leaves one as it is."""
    device: str = "auto"
    as_json: bool = False
    profile: bool = False
    """Whether to say where the time went."""
    pose_store: Path | None = None
    """Which frames show a hand, for RGB features with ``frames: hands``."""
    mix_devices: bool = False
    """Whether rows of another kind of device may be in the store."""
    wait: bool = False
    """Whether to wait for other processes that hold some of the videos."""


EXIT_INTERRUPTED = 130


@contextmanager
def stop_requests() -> Iterator[None]:
    """Lets SIGTERM (a cluster that ends a job) do what Ctrl-C does: raise ``KeyboardInterrupt``."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


EXIT_ALL_THERE = 0
EXIT_SOME_FAILED = 3
EXIT_OTHERS_AT_WORK = 4


def run_extraction(request: ExtractionRequest) -> int:
    """Extracts what is missing and gives the exit code.

    Raises ``UsageError`` for a request that does not fit its files or its store, and
    ``UnavailableError`` when the frozen network cannot be had.
    """
    settings, videos = read_settings(request), read_videos(request)
    _warn_of_demo_model(request.kind, settings.pose, videos)
    if has_everything(request.store, videos.videos, _known(request, settings)):
        return _nothing_to_do(request, videos)
    try:
        with stop_requests(), _decoders(settings) as pool:  # which start while the network loads
            began = time.monotonic()
            stream, made = _load(request, settings)
            profile = RunProfile(settings.run.decode_workers, loading=time.monotonic() - began)
            report = _extract(request, settings, videos, stream, made, pool, profile)
        profile.end()
    except KeyboardInterrupt:
        messages.print("Stopped. What was finished is kept: the same command goes on from here.")
        return EXIT_INTERRUPTED
    if request.profile:
        report.print_profile(profile)
    report.print_summary(report.summary(store=str(request.store)))
    return _exit_code(report)


def _exit_code(report: RunReport) -> int:
    if report.broken:
        return EXIT_ERROR
    if report.in_other_hands:
        return EXIT_OTHERS_AT_WORK
    return EXIT_SOME_FAILED if report.failures else EXIT_ALL_THERE


def _nothing_to_do(request: ExtractionRequest, videos: VideoList) -> int:
    with _report(request, num_todo=0, num_there=len(videos.videos)) as report:
        pass
    report.print_summary(report.summary(store=str(request.store)))
    return EXIT_ALL_THERE


def run_dry(request: ExtractionRequest) -> int:
    """Prints what :func:`run_extraction` would do and writes nothing; raises the same."""
    settings, videos = read_settings(request), read_videos(request)
    _warn_of_demo_model(request.kind, settings.pose, videos)
    has_everything(request.store, videos.videos, _known(request, settings))  # refuses early
    stream, made = _load(request, settings)
    print_dry_run(videos, stream, made, request.store, settings, as_json=request.as_json)
    return EXIT_ALL_THERE


def read_settings(request: ExtractionRequest) -> ExtractSettings:
    """The pipeline's settings with the request's changes to the stream."""
    settings = read_section(request.pipeline_file, request.pipeline, "extract", ExtractSettings)
    return with_changes(settings, request.kind, request.changes)


def read_videos(request: ExtractionRequest) -> VideoList:
    """The videos that the request names."""
    if bool(request.places) == bool(request.index):
        raise UsageError("name the videos either with --videos or with --index")
    videos = videos_of_index(request.index) if request.index else find_videos(request.places)
    for passed_over in videos.passed_over:
        messages.print(str(passed_over), markup=False)
    return videos


def _decoders(settings: ExtractSettings) -> DecodePool:
    return DecodePool(settings.run.decode_workers, settings.run.decode_timeout)


def _warn_of_demo_model(kind: StoreKind, pose: PoseSettings, videos: VideoList) -> None:
    """The demo's keypoint model has only ever seen drawn signers."""
    if kind != "pose" or pose.detector != "mmpose" or pose.model != DEMO:
        return
    if not all((video.path.parent.parent / DRAWN_CORPUS_FILE).is_file() for video in videos.videos):
        warn(
            "the pose model 'demo' was trained on the drawn signers of seds-extract demo-videos; "
            "on real people it sees hands where there are none. Take another: --model "
            "rtmpose-l-384, or, without a download, --detector mediapipe"
        )


def _known(request: ExtractionRequest, settings: ExtractSettings) -> Provenance | None:
    return known_provenance(request.kind, settings, request.pose_store)


def _load(request: ExtractionRequest, settings: ExtractSettings) -> tuple[Stream, Provenance]:
    """The stream, and how it makes rows for the request's store."""
    stream = load_stream(request.kind, settings, request.device, request.pose_store)
    if stream.provenance.warning:
        warn(stream.provenance.warning)
    made = fitted_to(request.store, stream.provenance, mix_devices=request.mix_devices)
    return stream, made


def _extract(
    request: ExtractionRequest,
    settings: ExtractSettings,
    videos: VideoList,
    stream: Stream,
    made: Provenance,
    pool: DecodePool,
    profile: RunProfile,
) -> RunReport:
    with StoreWriter(request.store, made) as writer:
        plan = compare(videos.videos, writer.videos, video_changed)
        wanted = {video.video_id for video in plan.todo}
        writer.forget_failures({video.video_id for video in videos.videos} - wanted)
        failed_before = StoreReader(request.store).failures
        with _report(request, len(plan.todo), plan.num_there) as report:
            frames, wait = settings.frames, request.wait
            extract_videos(plan.todo, stream, writer, pool, frames, report, profile, wait=wait)
    for video_id, failure in StoreReader(request.store).failures.items():
        if video_id in wanted and failure != failed_before.get(video_id):
            report.failed_elsewhere(FailedVideo(**failure))
    return report


@contextmanager
def _report(request: ExtractionRequest, num_todo: int, num_there: int) -> Iterator[RunReport]:
    with progress_bar() as progress:
        task = progress.add_task(f"{request.kind} videos", total=num_todo, rates="")
        yield RunReport(progress, task, num_there, as_json=request.as_json)
