"""``seds-extract import``: from the files of another program to a store."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.markup import escape

from extract.interchange.coco_wholebody import open_coco_wholebody
from extract.interchange.formats import ImportFormatName
from extract.interchange.imported import (
    ImportedFiles,
    ImportedVideo,
    ImportItem,
    KnownFacts,
    content_hash,
    quick_identity,
    quick_look,
)
from extract.interchange.npy_features import open_npy
from extract.interchange.openpose import open_openpose
from extract.interchange.pose_files import open_pose_files
from extract.interchange.published import (
    PublishedFiles,
    open_published_features,
    open_published_keypoints,
)
from extract.rgb.provenance import KeptFrames
from extract.run.existing_store import compare, entries_of, source_changed
from extract.run.extraction import stop_requests
from extract.run.report import EXIT_ALL_THERE, EXIT_INTERRUPTED, RunReport
from extract.run.watching import AS_USUAL, WatchOptions, watched_run
from extract.settings import ExtractSettings
from extract.videos.listing import videos_of_index
from extract.videos.part import WHOLE, part_name
from seds_core.command_line import PIPELINE_FILE
from seds_core.console import activity, fail, messages, print_event, print_table, progress_bar
from seds_core.errors import ImportedFileError, UsageError
from seds_core.pipeline_file import read_section
from seds_core.store.place import StoreLocation
from seds_core.store.reader import VideoEntry
from seds_core.store.records import FailedVideo, FinishedVideo, VideoSource
from seds_core.store.writer import BulkWriter


@activity("the import")
def run_import(
    form: ImportFormatName,
    source: Path,
    store: StoreLocation,
    *,
    pipelines: Path = PIPELINE_FILE,
    pipeline: str = "custom",
    index: Path | None = None,
    pose: StoreLocation | None = None,
    frame_map: Path | None = None,
    image_size: tuple[int, int] | None = None,
    fps: float | None = None,
    as_json: bool = False,
    dry_run: bool = False,
    watch: WatchOptions = AS_USUAL,
) -> int:
    """Imports what is missing or has changed, and returns the exit code.

    The options are those of :func:`open_format`. Raises ``UsageError`` for options that do not
    fit the files or the store.
    """
    settings = read_section(pipelines, pipeline, "extract", ExtractSettings)
    files = open_format(
        form, source, settings,
        index=index, pose=pose, frame_map=frame_map, image_size=image_size, fps=fps,
    )  # fmt: skip
    if dry_run:
        _print_dry_run(store, files, as_json=as_json)
        return EXIT_ALL_THERE
    try:
        with (
            stop_requests(),
            watched_run(store, watch) as watching,
            BulkWriter(store, files.provenance) as writer,
        ):
            plan = compare(files.items, writer.videos, has_changed)
            todo = {item.video_id for item in plan.todo}
            writer.forget_failures({item.video_id for item in files.items} - todo)
            # Threads read a few videos ahead; rows go into the store in the order of the plan.
            with progress_bar() as progress, closing(read_ahead(plan.todo, files.read)) as videos:
                task = progress.add_task("videos", total=len(plan.todo), rates="")
                report = ImportReport(progress, task, plan.num_there, as_json=as_json)
                report.listeners = (watching.log, watching.state)
                watching.state.begin(len(plan.todo), "", partial(setattr, writer, "state"))
                for item in plan.todo:
                    report.started(item.video_id)
                    # There is one result for every item of the plan, in its order.
                    video = next(videos)
                    if isinstance(video, FailedVideo):
                        writer.fail(video)
                        report.failed(video)
                    else:
                        writer.add(video.finished)
                        report.imported(video)
                watching.log("summary", report.summary(store=str(store)))
    except KeyboardInterrupt:
        messages.print("Stopped. What was imported is kept: the same command goes on from here.")
        return EXIT_INTERRUPTED
    report.print_summary(report.summary(store=str(store)))
    return report.exit_code


def open_format(
    form: ImportFormatName,
    source: Path,
    settings: ExtractSettings,
    *,
    index: Path | None = None,
    pose: StoreLocation | None = None,
    frame_map: Path | None = None,
    image_size: tuple[int, int] | None = None,
    fps: float | None = None,
) -> ImportedFiles:
    """Opens the files below ``source``, a folder, or a file for ``coco-wholebody``.

    ``index`` knows names, sizes and frame rates of the videos; ``pose`` is the store, and
    ``frame_map`` the CSV, that tells which frames published or ``npy`` features belong to.
    ``image_size`` (width and height in pixels) and ``fps`` are as the pipeline's settings say
    where they are ``None``. Raises ``UsageError`` for files that do not exist, and for options
    that the format has no use for, as an option without effect would be a mistake unnoticed.
    """
    if not source.exists():
        raise UsageError(f"{source} does not exist")
    if pose and form != "published-features":
        raise UsageError(f"--pose is for published-features, not for {form}")
    if frame_map and form != "npy":
        raise UsageError(f"--frame-map is for npy, not for {form}")
    # Options come before the pipeline, and the pipeline before what a folder of images is given.
    image_size = image_size or settings.imports.image_size
    fps = fps or settings.imports.fps
    folder_fps = fps or settings.frames.folder_fps
    videos = videos_of_index(index).videos if index else ()
    facts = KnownFacts(image_size, fps, folder_fps, {video.video_id: video for video in videos})
    match form:
        case "published-features":
            kept = KeptFrames.open(pose, settings.rgb.hand_rules) if pose else None
            files = PublishedFiles.open(source, index)
            return open_published_features(files, settings, kept, folder_fps=folder_fps)
        case "published-keypoints":
            files = PublishedFiles.open(source, index)
            return open_published_keypoints(
                files, facts, image_size=image_size, folder_fps=folder_fps
            )
        case "npy":
            return open_npy(source, frame_map, facts, settings.rgb, folder_fps=folder_fps)
        case "pose":
            return open_pose_files(source, folder_fps=folder_fps)
        case "openpose":
            return open_openpose(source, facts, folder_fps=folder_fps)
        case "coco-wholebody":
            return open_coco_wholebody(source, facts, folder_fps=folder_fps)


def has_changed(item: ImportItem, entry: VideoEntry) -> bool:
    """Whether a file is another than the one imported."""
    return source_changed(entry, lambda: quick_look(item.path), lambda: content_hash(item.path))


# Threads. Reading and hashing a file let another run; pickles are interpreted by Python, one at a
# time.
READERS = 2

# Videos that are read, or being read, before it is their turn.
MAX_AHEAD = 4


@dataclass(frozen=True)
class ReadVideo:
    """A video as the store takes it."""

    finished: FinishedVideo
    num_rounded: int
    """Values that differ in the store from those in the file."""
    num_people: int = 1
    """People in the frame that shows the most."""


def read_ahead(
    items: Sequence[ImportItem], read: Callable[[ImportItem], ImportedVideo]
) -> Generator[ReadVideo | FailedVideo, None, None]:
    """Reads each item's video, or why there is none, in the order of the items.

    Close it when the rest is not wanted: then nothing more is started, and what is being read is
    awaited.
    """
    # Futures in the order of the items; at most MAX_AHEAD of them stay behind a yield.
    waiting: deque[Future[ReadVideo | FailedVideo]] = deque()
    with ThreadPoolExecutor(READERS) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(read_video, item, read))
                if len(waiting) > MAX_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # The pool waits for all that it was given, so what has not begun is taken back.
            for future in waiting:
                future.cancel()


def read_video(
    item: ImportItem, read: Callable[[ImportItem], ImportedVideo]
) -> ReadVideo | FailedVideo:
    """Reads one video, or why it cannot be used."""
    try:
        # Looked at before it is read, so that a change in between is noticed by the next import.
        size_bytes, mtime_ns = quick_identity(item.path)
        video = read(item)
        source = VideoSource(
            video_id=item.video_id,
            path=part_name(item.path.resolve(), WHOLE),
            size_bytes=size_bytes,
            mtime_ns=mtime_ns,
            content_hash=video.content_hash or content_hash(item.path),
            num_frames=video.num_frames,
            frame_step=video.frame_step,
            fps=video.fps,
            duration=video.num_frames / video.fps if video.fps else 0.0,
            width=video.width,
            height=video.height,
        )
    except ImportedFileError as error:
        return FailedVideo.now(item.video_id, part_name(error.path, WHOLE), error.reason)
    except OSError as error:
        name = part_name(item.path, WHOLE)
        return FailedVideo.now(item.video_id, name, f"cannot be read: {error}")
    return ReadVideo(FinishedVideo(source, video.rows), video.num_rounded, video.num_people)


@dataclass
class ImportReport(RunReport):
    """Counts an import and shows its progress; JSON events are those of an extraction."""

    num_rounded: int = 0
    """Values that differ in the store from those in the files."""
    num_of_several_people: int = 0
    """Videos that show several people at a time."""

    def imported(self, video: ReadVideo) -> None:
        """Counts a video that is in the store."""
        self.num_rounded += video.num_rounded
        self.num_of_several_people += video.num_people > 1
        source, num_rows = video.finished.source, video.finished.num_rows
        self.finished(source.video_id, num_frames=source.num_frames, num_rows=num_rows)

    def summary(self, *, store: str) -> dict[str, Any]:
        """The import in numbers."""
        return super().summary(store=store) | {
            "rounded_values": self.num_rounded,
            "several_people": self.num_of_several_people,
        }

    def print_summary(self, summary: dict[str, Any]) -> None:
        """Prints the import in numbers, and every failure with its reason."""
        if self.as_json:
            super().print_summary(summary)
            return
        seconds = max(summary["seconds"], 1e-9)
        rows = {
            "videos imported": f"{summary['finished']:,} ({summary['finished'] / seconds:.0f}/s)",
            "already there": f"{summary['already_there']:,}",
            "failed": f"{len(summary['failed']):,}",
            "frames": f"{summary['frames']:,}",
            "rows": f"{summary['rows']:,}",
        }
        if rounded := summary["rounded_values"]:
            rows["rounded to float32"] = f"{rounded:,} values"
        if several := summary["several_people"]:
            rows["with several people"] = f"{several:,} (the signer of each is kept)"
        rows["time"] = f"{seconds:.1f} s"
        print_table(f"Imported into {escape(summary['store'])}", rows)
        for failure in summary["failed"]:
            fail(f"{escape(failure['path'])}: {escape(failure['reason'])}")


def _print_dry_run(store: StoreLocation, files: ImportedFiles, *, as_json: bool) -> None:
    """Prints what there is to import; nothing but names is read, and nothing written."""
    plan = compare(files.items, entries_of(store), has_changed)
    # A file that holds many videos is counted once.
    num_bytes = sum(quick_identity(path)[0] for path in {item.path for item in plan.todo})
    if as_json:
        print_event(
            "dry_run",
            store=str(store),
            missing=len(plan.missing),
            changed=len(plan.changed),
            already_there=plan.num_there,
            bytes=num_bytes,
        )
        return
    rows = {
        "store": str(store),
        "to import": f"{len(plan.todo):,} videos",
        "  of these changed": f"{len(plan.changed):,}",
        "already there": f"{plan.num_there:,}",
        "size of their files": f"{num_bytes / 1e6:,.1f} MB",
    }
    print_table("Dry run: nothing is written", rows)
