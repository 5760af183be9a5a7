"""One ``seds-extract export`` command: from the request to the exit code."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from extract.exports.export_report import ExportReport
from extract.exports.pose_files import write_pose_file
from extract.exports.published_pickles import (
    published_features,
    published_keypoints,
    write_pickle,
)
from extract.exports.request import ExportForm, ExportRequest
from extract.run.command import EXIT_ALL_THERE, EXIT_INTERRUPTED, EXIT_SOME_FAILED, stop_requests
from seds_core.console import messages, progress_bar
from seds_core.errors import UsageError
from seds_core.store.reader import StoreReader

Write = Callable[[StoreReader, str, Path], None]
"""Writes a video of a store to a file."""


def run_export(request: ExportRequest) -> int:
    """Writes the files that are missing or older than the store and gives the exit code.

    Raises ``UsageError`` for a store that cannot be written in this form.
    """
    store = StoreReader(request.store)
    if request.form == "pose" and store.provenance.kind != "pose":
        raise UsageError(
            f"{request.store} is a store of kind {store.provenance.kind}: .pose files hold "
            "keypoints; write its features with --format published"
        )
    try:
        with stop_requests():
            report = _export(request, store)
    except KeyboardInterrupt:
        messages.print("Stopped. Files that were written are whole: the same command goes on.")
        return EXIT_INTERRUPTED
    report.print_summary(str(request.out))
    return EXIT_SOME_FAILED if report.failures else EXIT_ALL_THERE


def file_of(out: Path, video_id: str, suffix: str) -> Path:
    """The file of a video; an id with slashes lies in folders.

    Raises ``ValueError`` for an id that leads out of the folder.
    """
    parts = PurePosixPath(video_id).parts
    if not parts or PurePosixPath(video_id).is_absolute() or ".." in parts or "\0" in video_id:
        raise ValueError("its id would be a file outside the folder")
    return out.joinpath(*parts[:-1], f"{parts[-1]}{suffix}")


def _export(request: ExportRequest, store: StoreReader) -> ExportReport:
    # The attributes of the group: they are written again with everything that is added.
    last_change = (request.store / "zarr.json").stat().st_mtime_ns
    write, suffix = _writer(request.form, store)
    with progress_bar() as progress:
        task = progress.add_task("videos", total=len(store.videos), rates="")
        report = ExportReport(progress, task, request.as_json)
        for video_id in store.videos:
            try:
                path = file_of(request.out, video_id, suffix)
                if not request.overwrite and _is_newer(path, last_change):
                    report.already_there()
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                write(store, video_id, path)
            except (OSError, ValueError) as error:  # a UsageError too
                report.failed(video_id, str(error))
            else:
                report.written(video_id)
    return report


def _writer(form: ExportForm, store: StoreReader) -> tuple[Write, str]:
    if form == "pose":
        return _write_pose, ".pose"
    return (_write_keypoints if store.provenance.kind == "pose" else _write_features), ".pkl"


def _is_newer(path: Path, time_ns: int) -> bool:
    return path.exists() and path.stat().st_mtime_ns > time_ns


def _write_pose(store: StoreReader, video_id: str, path: Path) -> None:
    entry = store.videos[video_id]
    keypoints = store.rows(video_id)["keypoints"]
    write_pose_file(path, keypoints, entry.fps / entry.frame_step, (entry.width, entry.height))


def _write_keypoints(store: StoreReader, video_id: str, path: Path) -> None:
    rows = store.rows(video_id)
    write_pickle(path, published_keypoints(rows["keypoints"], rows["frame"], store.provenance))


def _write_features(store: StoreReader, video_id: str, path: Path) -> None:
    write_pickle(path, published_features(video_id, store.rows(video_id)["features"]))
