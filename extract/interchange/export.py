"""A store becomes one file a video: the publication's pickles, or .pose files."""

import json
import pickle
import pickletools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float16, Float32, Int32
from pose_format import Pose, PoseHeader
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeaderDimensions
from pose_format.utils.cocowholebody133_header import cocowholebody_components
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

from extract.interchange.keypoint_video import PUBLISHED_NAMES, FrameNames, nobody_found
from extract.run.command import stop_requests
from extract.run.report import EXIT_ALL_THERE, EXIT_INTERRUPTED, EXIT_SOME_FAILED
from seds_core.console import fail, messages, progress_bar, results
from seds_core.errors import UsageError
from seds_core.store.provenance import Provenance
from seds_core.store.reader import StoreReader

ExportForm = Literal["published", "pose"]
"""One pickle a video, as the publication has them, or one ``.pose`` file."""


@dataclass(frozen=True)
class ExportRequest:
    """The options of one command; nothing has been looked up yet."""

    store: Path
    out: Path
    """Folder to write to."""
    form: ExportForm
    overwrite: bool = False
    """Write files again that exist already."""
    as_json: bool = False


@dataclass
class ExportReport:
    """Counts an export and shows its progress.

    With ``as_json``, standard output gets one JSON object a line: ``finished`` and ``failed``
    events and at the end the ``summary``.
    """

    progress: Progress
    task: TaskID
    as_json: bool
    num_written: int = 0
    num_there: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """Video -> why it has no file."""

    def written(self, video_id: str) -> None:
        """A video's file is whole."""
        self.num_written += 1
        self._event("finished", video_id=video_id)
        self.progress.advance(self.task)

    def already_there(self) -> None:
        """A video has a file of the store as it is."""
        self.num_there += 1
        self.progress.advance(self.task)

    def failed(self, video_id: str, reason: str) -> None:
        """A video could not be written."""
        self.failures[video_id] = reason
        self._event("failed", video_id=video_id, reason=reason)
        messages.print(f"[red]failed[/] {escape(video_id)}: {escape(reason)}")
        self.progress.advance(self.task)

    def print_summary(self, out: str) -> None:
        """Prints the export in numbers, and every failure with its reason."""
        if self.as_json:
            self._event(
                "summary",
                out=out,
                finished=self.num_written,
                already_there=self.num_there,
                failed=self.failures,
            )
            return
        table = Table(title=f"Exported to {escape(out)}", title_justify="left", show_header=False)
        table.add_row("files written", f"{self.num_written:,}")
        table.add_row("already there", f"{self.num_there:,}")
        table.add_row("failed", f"{len(self.failures):,}")
        results.print(table)
        for video_id, reason in self.failures.items():
            fail(f"{escape(video_id)}: {escape(reason)}")

    def _event(self, event: str, **values: Any) -> None:  # noqa: ANN401 - any JSON value
        if self.as_json:
            sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
            sys.stdout.flush()


# FROM extract/exports/pose_files.py
# Writes ``.pose`` files with the keypoints in COCO-WholeBody's own order and names.
#
# Format: https://github.com/sign-language-processing/pose/blob/master/docs/specs.


VERSION = 0.2
MAX_PIXELS = 2**16 - 1
"""Largest width and height that a header can name."""


def write_pose_file(
    path: Path,
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
    fps: float,
    size: tuple[int, int],
) -> None:
    """Writes one person's keypoints; ``path`` exists afterwards with all of them, or not at all.

    ``size`` is width and height in pixels. Reading gives the same bits, NaN and confidence 0
    included; ``fps`` is rounded to float32. Raises ``UsageError`` for a size that the format
    cannot name.
    """
    if not all(0 < pixels <= MAX_PIXELS for pixels in size):
        raise UsageError(
            f"{path}: .pose files are of 1 to {MAX_PIXELS} pixels a side, not {size[0]}x{size[1]}"
        )
    header = PoseHeader(VERSION, PoseHeaderDimensions(*size), cocowholebody_components())
    one_person = keypoints[:, None]
    # The library masks what has no confidence, and writes what is below the mask.
    body = NumPyPoseBody(fps, one_person[..., :2], one_person[..., 2])
    unfinished = path.with_name(f"{path.name}.partial")
    with unfinished.open("wb") as file:
        Pose(header, body).write(file)
    unfinished.replace(path)


PROTOCOL = 4

_OF_NUMPY_2, _OF_ALL = "numpy._core.multiarray", "numpy.core.multiarray"


def published_keypoints(
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
    frames: Int32[np.ndarray, " frame"],
    provenance: Provenance,
) -> dict[str, object]:
    """``{'keypoints', 'img_list'}`` of a video; ``frames`` are the numbers of its rows, from 0.

    Of a store that was imported from such files, images have the names of then, and the rows that
    stand for frames left out are left out again. Of other stores, they are named as those of
    PHOENIX-2014T, and all rows are written.
    """
    imported_from, names = provenance.imported_from, PUBLISHED_NAMES
    if imported_from and imported_from.frame_names and imported_from.first_number is not None:
        names = FrameNames(imported_from.frame_names, imported_from.first_number)
        is_listed = _is_listed(keypoints)
        keypoints, frames = keypoints[is_listed], frames[is_listed]
    return {"keypoints": keypoints, "img_list": [names.name(frame) for frame in frames.tolist()]}


def published_features(
    video_id: str, features: Float32[np.ndarray, "clip rgb"] | Float16[np.ndarray, "clip rgb"]
) -> dict[str, object]:
    """``{'name', 'feature'}`` of a video."""
    return {"name": video_id, "feature": features}


def write_pickle(path: Path, value: dict[str, object]) -> None:
    """Writes a pickle; ``path`` exists afterwards with all of it, or not at all."""
    unfinished = path.with_name(f"{path.name}.partial")
    unfinished.write_bytes(portable(pickle.dumps(value, protocol=PROTOCOL)))
    unfinished.replace(path)


def portable(content: bytes) -> bytes:
    """The same pickle (of protocol 4) for NumPy 1 too, which knows the array module by another
    name.

    Frames, which only help reading and would have other lengths, are left out.
    """
    parts = []
    operations = [*pickletools.genops(content), (None, None, len(content))]
    for (operation, argument, start), (_, _, stop) in pairwise(operations):
        if argument == _OF_NUMPY_2:
            parts.append(pickle.SHORT_BINUNICODE + bytes([len(_OF_ALL)]) + _OF_ALL.encode())
        elif operation is not None and operation.name != "FRAME":
            parts.append(content[start:stop])
    return b"".join(parts)


def _is_listed(
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
) -> Bool[np.ndarray, " frame"]:
    """Rows that do not stand for a frame left out; the last one always is listed."""
    nobody = nobody_found(1).view(np.uint32)
    is_listed = np.asarray((keypoints.view(np.uint32) != nobody).any(axis=(1, 2)))
    is_listed[-1] = True
    return is_listed


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
