"""One ``seds-extract rgb`` or ``pose`` command: from the request to the exit code."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from extract.decoding.decode_pool import DecodePool
from extract.run.dry_run import print_dry_run
from extract.run.interruption import EXIT_INTERRUPTED, stop_requests
from extract.run.loop import extract_videos
from extract.run.plan import plan_run
from extract.run.profile import RunProfile
from extract.run.report import RunReport
from extract.run.request import ExtractionRequest
from extract.run.stream import Stream
from extract.run.streams import load_stream
from extract.settings import ExtractSettings
from extract.video_list import VideoList, find_videos, videos_of_index
from seds_core.command_line import EXIT_ERROR
from seds_core.console import messages, progress_bar, warn
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section, with_changes
from seds_core.store.writer import StoreWriter

EXIT_ALL_THERE = 0
EXIT_SOME_FAILED = 3


def run_extraction(request: ExtractionRequest) -> int:
    """Extracts what is missing and gives the exit code.

    Raises ``UsageError`` for a request that does not fit its files or its store, and
    ``UnavailableError`` when the frozen network cannot be had.
    """
    settings, videos = read_settings(request), read_videos(request)
    try:
        with stop_requests(), _decoders(settings) as pool:  # which start while the network loads
            began = time.monotonic()
            stream = _load(request, settings)
            profile = RunProfile(settings.run.decode_workers, loading=time.monotonic() - began)
            summary, report = _extract(request, settings, videos, stream, pool, profile)
        profile.end()
    except KeyboardInterrupt:
        messages.print("Stopped. What was finished is kept: the same command goes on from here.")
        return EXIT_INTERRUPTED
    if request.profile:
        report.print_profile(profile)
    report.print_summary(summary)
    return _exit_code(report)


def _exit_code(report: RunReport) -> int:
    if report.broken:
        return EXIT_ERROR
    return EXIT_SOME_FAILED if report.failures else EXIT_ALL_THERE


def run_dry(request: ExtractionRequest) -> int:
    """Prints what :func:`run_extraction` would do and writes nothing."""
    settings, videos = read_settings(request), read_videos(request)
    stream = _load(request, settings)
    print_dry_run(videos, stream, request.store, settings, as_json=request.as_json)
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


def _load(request: ExtractionRequest, settings: ExtractSettings) -> Stream:
    stream = load_stream(request.kind, settings, request.device, request.pose_store)
    if stream.provenance.warning:
        warn(stream.provenance.warning)
    return stream


def _extract(
    request: ExtractionRequest,
    settings: ExtractSettings,
    videos: VideoList,
    stream: Stream,
    pool: DecodePool,
    profile: RunProfile,
) -> tuple[dict[str, Any], RunReport]:
    with StoreWriter(request.store, stream.provenance) as writer:
        plan = plan_run(videos.videos, writer.videos)
        with _report(request, len(plan.todo), plan.num_there) as report:
            extract_videos(plan.todo, stream, writer, pool, settings.frames, report, profile)
    return report.summary(store=str(request.store), in_other_hands=writer.in_other_hands), report


@contextmanager
def _report(request: ExtractionRequest, num_todo: int, num_there: int) -> Iterator[RunReport]:
    with progress_bar() as progress:
        task = progress.add_task(f"{request.kind} videos", total=num_todo, rates="")
        yield RunReport(progress, task, num_there, as_json=request.as_json)
