"""Extraction from end to end, behind ``seds-extract rgb`` and ``seds-extract pose``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from extract.pose.provenance import DEMO, DRAWN_CORPUS_FILE
from extract.run.devices import named_devices
from extract.run.engine import ClusterShare
from extract.run.existing_store import fitted_to, has_everything
from extract.run.extraction import Extraction, engine_for
from extract.run.profile import RunProfile
from extract.run.report import EXIT_ALL_THERE, EXIT_INTERRUPTED, RunReport
from extract.run.selection import Part
from extract.run.streams import known_provenance, load_stream
from extract.run.watching import AS_USUAL, WatchOptions
from extract.run.worker import ExtractionWork
from extract.settings import ExtractSettings, PoseSettings
from extract.stream import Stream
from extract.videos.listing import ListedVideo, VideoList, find_videos, videos_of_index
from seds_core.command_line import PIPELINE_FILE
from seds_core.console import activity, messages, warn
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section, with_changes
from seds_core.store.layout import StoreKind
from seds_core.store.place import StoreLocation
from seds_core.store.provenance import Provenance
from seds_core.video_id import look_alikes


@activity("seds-extract")
def extract(
    kind: StoreKind,
    store: StoreLocation,
    *,
    videos: Sequence[str] = (),
    index: Path | None = None,
    pipeline: str = "custom",
    pipelines: Path = PIPELINE_FILE,
    changes: Mapping[str, str | Path | None] | None = None,
    pose_store: StoreLocation | None = None,
    part: str | None = None,
    devices: str = "auto",
    cluster: ClusterShare | None = None,
    mix_devices: bool = False,
    wait: bool = False,
    dry_run: bool = False,
    profile: bool = False,
    as_json: bool = False,
    watch: WatchOptions = AS_USUAL,
) -> int:
    """Extracts the videos that ``store`` lacks, or that have changed, and returns the exit code.

    The videos are either ``videos`` (folders, files and patterns) or those of ``index``; ``part``
    takes one of N parts of them. With several ``devices``, and on a ``cluster``, workers extract,
    and this process hands out videos and packs what they made. ``changes`` replace settings of the
    stream; ``pose_store`` tells RGB features with ``frames: hands`` which frames show one.
    ``mix_devices`` allows rows of another kind of device, ``wait`` waits for videos that other
    processes hold, ``dry_run`` only estimates. Raises ``UsageError`` for options that do not fit,
    and ``UnavailableError`` when the frozen network cannot be had.
    """
    of_pipeline = read_section(pipelines, pipeline, "extract", ExtractSettings)
    settings = with_changes(of_pipeline, kind, changes or {})
    named = named_devices(devices)
    listed = listed_videos(videos, index, part).videos
    _warn_of_demo_model(kind, settings.pose, listed)

    def fitted(made: Provenance) -> Provenance:
        if made.warning:
            warn(made.warning)
        return fitted_to(store, made, mix_devices=mix_devices)

    # As far as settings are known without the network, it is not loaded to refuse others, nor to
    # find that everything is there.
    is_complete = has_everything(store, listed, known_provenance(kind, settings, pose_store))
    if dry_run:
        stream = load_stream(kind, settings, named[0], pose_store)
        _estimate(stream, fitted(stream.provenance), store, listed, settings, as_json=as_json)
        return EXIT_ALL_THERE
    run = Extraction(store, listed, settings, fitted, watch, wait=wait, as_json=as_json)
    work = ExtractionWork(kind, settings, pose_store, load_stream, Path.cwd())
    try:
        if is_complete:
            report, times = run.of_nothing(kind), None
        else:
            report, times = _extract_missing(run, work, named, cluster)
    except KeyboardInterrupt:
        messages.print("Stopped. What was finished is kept: the same command goes on from here.")
        return EXIT_INTERRUPTED
    report.print_end(store, times if profile else None)
    return report.exit_code


def _estimate(
    stream: Stream,
    made: Provenance,
    store: StoreLocation,
    videos: Sequence[ListedVideo],
    settings: ExtractSettings,
    *,
    as_json: bool,
) -> None:
    from extract.run.estimate import estimate_run, print_estimate  # noqa: PLC0415

    print_estimate(estimate_run(videos, stream, made, store, settings), as_json=as_json)


def _extract_missing(
    run: Extraction, work: ExtractionWork, devices: list[str], cluster: ClusterShare | None
) -> tuple[RunReport, RunProfile]:
    """Extracts in this process where one device does all, and by workers otherwise."""
    settings = work.settings.run
    # A video's time is limited by ending the worker that is at it, which needs to be another
    # process.
    if cluster is not None or len(devices) > 1 or settings.video_timeout is not None:
        return run.by_workers(engine_for(work, settings.decode_workers, devices, cluster))
    return run.here(lambda: load_stream(work.kind, work.settings, devices[0], work.pose_store))


def listed_videos(videos: Sequence[str], index: Path | None, part: str | None = None) -> VideoList:
    """The videos of an index, or those found in folders, files and patterns; or a part of them.

    Says what was passed over, and which ids look alike. Raises ``UsageError`` for both, and none.
    """
    if bool(videos) == bool(index):
        raise UsageError("name the videos either with --videos or with --index")
    listed = videos_of_index(index) if index else find_videos(videos)
    for passed_over in listed.passed_over:
        messages.print(str(passed_over), markup=False)
    for pair in look_alikes(video.video_id for video in listed.videos):
        names = " and ".join(ascii(video_id) for video_id in pair)
        messages.print(f"two videos whose ids look alike: {names}", markup=False)
    if part is None:
        return listed
    kept = Part.parse(part)
    return replace(listed, videos=tuple(v for v in listed.videos if kept.holds(v.video_id)))


def _warn_of_demo_model(kind: StoreKind, pose: PoseSettings, videos: Sequence[ListedVideo]) -> None:
    """The demo's keypoint model has only ever seen drawn signers."""
    # Other detectors and models have seen people.
    if kind != "pose" or pose.detector != "mmpose" or pose.model != DEMO:
        return
    folders = {video.path.parent.parent for video in videos}
    if not all((folder / DRAWN_CORPUS_FILE).is_file() for folder in folders):
        warn(
            "the pose model 'demo' was trained on the drawn signers of seds-extract demo-videos; "
            "on real people it sees hands where there are none. Take another: --model "
            "rtmpose-l-384, or, without a download, --detector mediapipe"
        )
