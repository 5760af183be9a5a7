"""Extraction from end to end, behind ``seds-extract rgb`` and ``seds-extract pose``."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

from extract.pose.provenance import DEMO, DRAWN_CORPUS_FILE
from extract.run.desk import StoreDesk
from extract.run.existing_store import compare, fitted_to, has_everything, video_changed
from extract.run.loop import extract_videos, until_done
from extract.run.profile import RunProfile
from extract.run.report import EXIT_ALL_THERE, EXIT_INTERRUPTED, RunReport
from extract.run.streams import known_provenance, load_stream
from extract.run.watching import AS_USUAL, WatchOptions, watched_run
from extract.settings import ExtractSettings, PoseSettings
from extract.stream import Stream
from extract.videos.decode_pool import DecodePool
from extract.videos.listing import ListedVideo, VideoList, find_videos, videos_of_index
from seds_core.command_line import PIPELINE_FILE
from seds_core.console import activity, messages, progress_bar, warn
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section, with_changes
from seds_core.store.layout import StoreKind
from seds_core.store.provenance import Provenance
from seds_core.store.reader import StoreReader
from seds_core.store.records import FailedVideo
from seds_core.store.writer import StoreWriter
from seds_core.video_id import look_alikes


@activity("seds-extract")
def extract(
    kind: StoreKind,
    store: Path,
    *,
    videos: Sequence[str] = (),
    index: Path | None = None,
    pipeline: str = "custom",
    pipelines: Path = PIPELINE_FILE,
    changes: Mapping[str, str | Path | None] | None = None,
    pose_store: Path | None = None,
    device: str = "auto",
    mix_devices: bool = False,
    wait: bool = False,
    dry_run: bool = False,
    profile: bool = False,
    as_json: bool = False,
    watch: WatchOptions = AS_USUAL,
) -> int:
    """Extracts the videos that ``store`` lacks, or that have changed, and returns the exit code.

    The videos are either ``videos`` (folders, files and patterns) or those of ``index``.
    ``changes`` replace settings of the stream; ``pose_store`` tells RGB features with
    ``frames: hands`` which frames show one. ``mix_devices`` allows rows of another kind of device,
    ``wait`` waits for videos that other processes hold, ``dry_run`` only estimates. Raises
    ``UsageError`` for options that do not fit, ``UnavailableError`` for a network not to be had.
    """
    settings = read_section(pipelines, pipeline, "extract", ExtractSettings)
    settings = with_changes(settings, kind, changes or {})
    if bool(videos) == bool(index):
        raise UsageError("name the videos either with --videos or with --index")
    listed = listed_videos(videos, index)
    _warn_of_demo_model(kind, settings.pose, listed)

    def load() -> tuple[Stream, Provenance]:
        stream = load_stream(kind, settings, device, pose_store)
        if stream.provenance.warning:
            warn(stream.provenance.warning)
        return stream, fitted_to(store, stream.provenance, mix_devices=mix_devices)

    # As far as settings are known without the network, it is not loaded to refuse others, nor to
    # find that everything is there.
    known = known_provenance(kind, settings, pose_store)
    is_complete = has_everything(store, listed.videos, known)
    if dry_run:
        from extract.run.estimate import estimate_run, print_estimate  # noqa: PLC0415

        print_estimate(estimate_run(listed.videos, *load(), store, settings), as_json=as_json)
        return EXIT_ALL_THERE
    try:
        if is_complete:
            with _reporting(kind, 0, len(listed.videos), as_json=as_json) as report:
                pass
        else:
            how = {"wait": wait, "profile": profile, "as_json": as_json}
            report = _extract_missing(store, listed.videos, settings, load, watch, **how)
    except KeyboardInterrupt:
        messages.print("Stopped. What was finished is kept: the same command goes on from here.")
        return EXIT_INTERRUPTED
    report.print_summary(report.summary(store=str(store)))
    return report.exit_code


def _extract_missing(
    store: Path,
    videos: Sequence[ListedVideo],
    settings: ExtractSettings,
    load: Callable[[], tuple[Stream, Provenance]],
    watch: WatchOptions,
    *,
    wait: bool,
    profile: bool,
    as_json: bool,
) -> RunReport:
    run = settings.run
    with (
        stop_requests(),
        watched_run(store, watch) as watching,
        DecodePool(run.decode_workers, run.decode_timeout) as pool,
    ):
        began = time.monotonic()
        stream, made = load()  # while the decoders start
        times = RunProfile(run.decode_workers, loading=time.monotonic() - began)
        with StoreWriter(store, made) as writer:
            # Another process may have finished videos meanwhile: compare with what there is now.
            found = compare(videos, writer.videos, video_changed)
            wanted = {video.video_id for video in found.todo}
            # What is there as it is now may have failed once; that is no longer true.
            writer.forget_failures({video.video_id for video in videos} - wanted)
            failed_before = StoreReader(store).failures
            with _reporting(made.kind, len(wanted), found.num_there, as_json=as_json) as report:
                report.listeners = (watching.log, watching.state)
                watching.state.begin(len(wanted), made.device, partial(setattr, writer, "state"))
                desk = StoreDesk(found.todo, writer, report)
                turn = partial(extract_videos, desk, stream, pool, settings.frames, times)
                until_done(turn, desk, wait=wait)
        # Other processes may have failed at videos of this run.
        for video_id, failure in StoreReader(store).failures.items():
            if video_id in wanted and failure != failed_before.get(video_id):
                report.failed_elsewhere(FailedVideo(**failure))
        watching.log("summary", report.summary(store=str(store)))
    times.end()
    if profile:
        report.print_profile(times)
    return report


def listed_videos(videos: Sequence[str], index: Path | None) -> VideoList:
    """The videos of an index, or those found in folders, files and patterns.

    Says what was passed over, and which ids look alike.
    """
    listed = videos_of_index(index) if index else find_videos(videos)
    for passed_over in listed.passed_over:
        messages.print(str(passed_over), markup=False)
    for pair in look_alikes(video.video_id for video in listed.videos):
        names = " and ".join(ascii(video_id) for video_id in pair)
        messages.print(f"two videos whose ids look alike: {names}", markup=False)
    return listed


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


def _warn_of_demo_model(kind: StoreKind, pose: PoseSettings, videos: VideoList) -> None:
    """The demo's keypoint model has only ever seen drawn signers."""
    # Other detectors and models have seen people.
    if kind != "pose" or pose.detector != "mmpose" or pose.model != DEMO:
        return
    folders = {video.path.parent.parent for video in videos.videos}
    if not all((folder / DRAWN_CORPUS_FILE).is_file() for folder in folders):
        warn(
            "the pose model 'demo' was trained on the drawn signers of seds-extract demo-videos; "
            "on real people it sees hands where there are none. Take another: --model "
            "rtmpose-l-384, or, without a download, --detector mediapipe"
        )


@contextmanager
def _reporting(
    kind: StoreKind, num_todo: int, num_there: int, *, as_json: bool
) -> Iterator[RunReport]:
    with progress_bar() as progress:
        task = progress.add_task(f"{kind} videos", total=num_todo, rates="")
        yield RunReport(progress, task, num_there, as_json=as_json)
