"""One ``seds-extract import`` command: from the files of another program to a store."""

import json
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.markup import escape
from rich.table import Table

from extract.interchange.coco_wholebody import open_coco_wholebody
from extract.interchange.imported import (
    ImportedVideo,
    ImportFormat,
    ImportItem,
    KnownFacts,
    content_hash,
    quick_identity,
    quick_look,
)
from extract.interchange.npy_features import NpyFeatures
from extract.interchange.openpose import OpenPoseFolders
from extract.interchange.pose_files import PoseFiles
from extract.interchange.published_features import PlannedClips, PublishedFeatures
from extract.interchange.published_files import PublishedFiles, VideoNames
from extract.interchange.published_keypoints import PublishedKeypoints
from extract.rgb.provenance import KeptFrames
from extract.run.command import stop_requests
from extract.run.existing_store import compare, entries_of, source_changed
from extract.run.report import EXIT_ALL_THERE, EXIT_INTERRUPTED, RunReport
from extract.settings import ExtractSettings
from extract.videos.listing import videos_of_index
from extract.videos.part import WHOLE, part_name
from seds_core.console import fail, messages, progress_bar, results
from seds_core.dataset_index import read_index
from seds_core.errors import ImportedFileError, UsageError
from seds_core.pipeline_file import read_section
from seds_core.store.reader import VideoEntry
from seds_core.store.staging import FailedVideo, FinishedVideo, VideoSource
from seds_core.store.writer import BulkWriter

FormatName = Literal[
    "published-features", "published-keypoints", "npy", "pose", "openpose", "coco-wholebody"
]


@dataclass(frozen=True)
class ImportRequest:
    """The options of one command; nothing has been looked up yet."""

    format: FormatName
    source: Path
    """A folder, or a file for ``coco-wholebody``."""
    store: Path
    pipeline_file: Path
    pipeline: str
    index: Path | None = None
    """Gives names, sizes and frame rates of the videos; without it, the pipeline and the files."""
    pose: Path | None = None
    """Pose store that says which frames published features belong to."""
    frame_map: Path | None = None
    """CSV that says which frames ``npy`` features belong to."""
    image_size: tuple[int, int] | None = None
    """Width and height in pixels; ``None``, here and below: as the pipeline says."""
    fps: float | None = None
    as_json: bool = False
    dry_run: bool = False


def has_changed(item: ImportItem, entry: VideoEntry) -> bool:
    """Whether a file is another than the one imported."""
    return source_changed(entry, lambda: quick_look(item.path), lambda: content_hash(item.path))


@dataclass(frozen=True)
class _Asked:
    """A request, with the pipeline's settings in place of what it leaves open."""

    request: ImportRequest
    settings: ExtractSettings

    @property
    def image_size(self) -> tuple[int, int] | None:
        return self.request.image_size or self.settings.imports.image_size

    @property
    def fps(self) -> float | None:
        return self.request.fps or self.settings.imports.fps

    @property
    def folder_fps(self) -> float:
        return self.fps or self.settings.frames.folder_fps

    @property
    def facts(self) -> KnownFacts:
        path = self.request.index
        videos = videos_of_index(path).videos if path else ()
        return KnownFacts(
            self.image_size, self.fps, self.folder_fps, {video.video_id: video for video in videos}
        )

    @property
    def files(self) -> PublishedFiles:
        path = self.request.index
        names = VideoNames.of(read_index(path)) if path else None
        return PublishedFiles(self.request.source, names)


def make_format(request: ImportRequest, settings: ExtractSettings) -> ImportFormat:
    """The format that a request names, of the files that it names.

    What the request leaves open is as the pipeline says. Raises ``UsageError`` for files that are
    not there and for options that the format has no use for.
    """
    if not request.source.exists():
        raise UsageError(f"{request.source} does not exist")
    _check_options(request)
    return _MAKERS[request.format](_Asked(request, settings))


def _published_features(asked: _Asked) -> ImportFormat:
    planned = None
    if asked.request.pose:
        kept = KeptFrames.open(asked.request.pose, asked.settings.rgb.hand_rules)
        planned = PlannedClips(kept, asked.settings)
    return PublishedFeatures.open(asked.files, asked.settings, asked.folder_fps, planned)


def _published_keypoints(asked: _Asked) -> ImportFormat:
    return PublishedKeypoints.open(asked.files, asked.facts, asked.image_size, asked.folder_fps)


def _npy(asked: _Asked) -> ImportFormat:
    request, settings = asked.request, asked.settings
    return NpyFeatures(
        request.source, request.frame_map, asked.facts, settings.rgb, folder_fps=asked.folder_fps
    )


def _pose(asked: _Asked) -> ImportFormat:
    return PoseFiles(asked.request.source, folder_fps=asked.folder_fps)


def _openpose(asked: _Asked) -> ImportFormat:
    return OpenPoseFolders(asked.request.source, asked.facts, folder_fps=asked.folder_fps)


def _coco_wholebody(asked: _Asked) -> ImportFormat:
    return open_coco_wholebody(asked.request.source, asked.facts, folder_fps=asked.folder_fps)


_MAKERS: Mapping[FormatName, Callable[[_Asked], ImportFormat]] = {
    "published-features": _published_features,
    "published-keypoints": _published_keypoints,
    "npy": _npy,
    "pose": _pose,
    "openpose": _openpose,
    "coco-wholebody": _coco_wholebody,
}


def _check_options(request: ImportRequest) -> None:
    """An option that decides nothing would be a mistake that nobody notices."""
    if request.pose and request.format != "published-features":
        raise UsageError(f"--pose is for published-features, not for {request.format}")
    if request.frame_map and request.format != "npy":
        raise UsageError(f"--frame-map is for npy, not for {request.format}")


READERS = 2
"""Threads. Reading and hashing a file let another run; what a pickle says is found out by Python,
one at a time."""

MAX_AHEAD = 4
"""Videos that are read, or being read, before it is their turn."""


@dataclass(frozen=True)
class ReadVideo:
    """A video as the store takes it."""

    finished: FinishedVideo
    num_rounded: int
    """Values that are others in the store than in the file."""
    num_people: int = 1
    """People in the frame that shows the most."""


def read_ahead(
    items: Sequence[ImportItem], source: ImportFormat
) -> Generator[ReadVideo | FailedVideo, None, None]:
    """Each item's video, or why there is none, in the order of the items.

    Close it when the rest is not wanted: then no more is read, and what is being read is awaited.
    """
    waiting: deque[Future[ReadVideo | FailedVideo]] = deque()
    with ThreadPoolExecutor(READERS) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(read_video, item, source))
                if len(waiting) > MAX_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def read_video(item: ImportItem, source: ImportFormat) -> ReadVideo | FailedVideo:
    """One video, or why it cannot be used."""
    try:
        identity = quick_identity(item.path)  # before it is read: a later change is seen as one
        video = source.read(item)
        finished = FinishedVideo(_source(item, identity, video), video.rows)
    except ImportedFileError as error:
        return FailedVideo.now(item.video_id, part_name(error.path, WHOLE), error.reason)
    except OSError as error:
        name = part_name(item.path, WHOLE)
        return FailedVideo.now(item.video_id, name, f"cannot be read: {error}")
    return ReadVideo(finished, video.num_rounded, video.num_people)


def _source(item: ImportItem, identity: tuple[int, int], video: ImportedVideo) -> VideoSource:
    size_bytes, mtime_ns = identity
    return VideoSource(
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


@dataclass
class ImportReport(RunReport):
    """Counts an import and shows its progress; JSON events are those of an extraction."""

    num_rounded: int = 0
    """Values that are others in the store than in the files."""
    num_of_several_people: int = 0
    """Videos that show several people at a time."""

    def imported(self, video: ReadVideo) -> None:
        """A video is in the store."""
        self.num_rounded += video.num_rounded
        self.num_of_several_people += video.num_people > 1
        self.finished(video.finished)

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
        table = Table(
            title=f"Imported into {escape(summary['store'])}",
            title_justify="left",
            show_header=False,
        )
        seconds = max(summary["seconds"], 1e-9)
        table.add_row(
            "videos imported", f"{summary['finished']:,} ({summary['finished'] / seconds:.0f}/s)"
        )
        table.add_row("already there", f"{summary['already_there']:,}")
        table.add_row("failed", f"{len(summary['failed']):,}")
        table.add_row("frames", f"{summary['frames']:,}")
        table.add_row("rows", f"{summary['rows']:,}")
        if summary["rounded_values"]:
            table.add_row("rounded to float32", f"{summary['rounded_values']:,} values")
        if summary["several_people"]:
            several = f"{summary['several_people']:,} (the signer of each is kept)"
            table.add_row("with several people", several)
        table.add_row("time", f"{seconds:.1f} s")
        results.print(table)
        for failure in summary["failed"]:
            fail(f"{escape(failure['path'])}: {escape(failure['reason'])}")


def run_import(request: ImportRequest) -> int:
    """Imports what is missing or has changed and gives the exit code.

    Raises ``UsageError`` for a request that does not fit its files or its store.
    """
    settings = read_section(request.pipeline_file, request.pipeline, "extract", ExtractSettings)
    source = make_format(request, settings)
    if request.dry_run:
        _print_dry_run(request, source)
        return EXIT_ALL_THERE
    try:
        with stop_requests():
            report = _import(request, source)
    except KeyboardInterrupt:
        messages.print("Stopped. What was imported is kept: the same command goes on from here.")
        return EXIT_INTERRUPTED
    report.print_summary(report.summary(store=str(request.store)))
    return report.exit_code


def _import(request: ImportRequest, source: ImportFormat) -> ImportReport:
    items = source.items()
    with BulkWriter(request.store, source.provenance) as writer:
        plan = compare(items, writer.videos, has_changed)
        todo = {item.video_id for item in plan.todo}
        writer.forget_failures({item.video_id for item in items} - todo)
        with (
            _report(request, len(plan.todo), plan.num_there) as report,
            closing(read_ahead(plan.todo, source)) as videos,
        ):
            for item in plan.todo:
                report.started(item.video_id)
                _keep(next(videos), writer, report)
    return report


def _keep(video: ReadVideo | FailedVideo, writer: BulkWriter, report: ImportReport) -> None:
    if isinstance(video, FailedVideo):
        writer.fail(video)
        report.failed(video)
        return
    writer.add(video.finished)
    report.imported(video)


@contextmanager
def _report(request: ImportRequest, num_todo: int, num_there: int) -> Iterator[ImportReport]:
    with progress_bar() as progress:
        task = progress.add_task("videos", total=num_todo, rates="")
        yield ImportReport(progress, task, num_there, as_json=request.as_json)


def _print_dry_run(request: ImportRequest, source: ImportFormat) -> None:
    """Prints what there is to import; nothing but names is read, and nothing written."""
    plan = compare(source.items(), entries_of(request.store), has_changed)
    paths = {item.path for item in plan.todo}
    summary: dict[str, Any] = {
        "store": str(request.store),
        "missing": len(plan.missing),
        "changed": len(plan.changed),
        "already_there": plan.num_there,
        "bytes": sum(quick_identity(path)[0] for path in paths),
    }
    if request.as_json:
        sys.stdout.write(json.dumps({"event": "dry_run", **summary}) + "\n")
        return
    table = Table(title="Dry run: nothing is written", title_justify="left", show_header=False)
    table.add_row("store", summary["store"])
    table.add_row("to import", f"{len(plan.todo):,} videos")
    table.add_row("  of these changed", f"{len(plan.changed):,}")
    table.add_row("already there", f"{plan.num_there:,}")
    table.add_row("size of their files", f"{summary['bytes'] / 1e6:,.1f} MB")
    results.print(table)
