"""``seds-extract export``: a store becomes one file a video, a published pickle or a .pose file."""

import pickle
import pickletools
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float16, Float32, Int32
from pose_format import Pose, PoseHeader
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeaderDimensions
from pose_format.utils.cocowholebody133_header import cocowholebody_components
from rich.markup import escape

from extract.interchange.formats import ExportFormat
from extract.interchange.keypoint_video import no_person_found
from extract.interchange.published import PUBLISHED_NAMES, FrameNames
from extract.run.extraction import stop_requests
from extract.run.report import EXIT_ALL_THERE, EXIT_INTERRUPTED, EXIT_SOME_FAILED
from seds_core.console import fail, messages, print_event, print_table, progress_bar
from seds_core.errors import UsageError
from seds_core.files import whole_file, write_whole
from seds_core.store.place import StoreLocation
from seds_core.store.provenance import Provenance
from seds_core.store.reader import StoreReader


def run_export(
    store: StoreLocation,
    out: Path,
    form: ExportFormat = "published",
    *,
    overwrite: bool = False,
    as_json: bool = False,
) -> int:
    """Writes the files that are missing or older than the store, and returns the exit code.

    ``overwrite`` writes all files again. With ``as_json``, standard output gets one JSON object a
    line: ``finished`` and ``failed`` events and at the end the ``summary``. Raises ``UsageError``
    for a store that cannot be written in this form.
    """
    reader = StoreReader(store)
    kind = reader.provenance.kind
    if form == "pose" and kind != "pose":
        raise UsageError(
            f"{store} is a store of kind {kind}: .pose files hold keypoints; write its features "
            "with --format published"
        )
    # The attributes of the group: they are written again with everything that is added.
    last_change = reader.changed * 1e9
    suffix = ".pose" if form == "pose" else ".pkl"
    num_written = num_there = 0
    failures: dict[str, str] = {}
    try:
        with stop_requests(), progress_bar() as progress:
            task = progress.add_task("videos", total=len(reader.videos), rates="")
            for video_id in reader.videos:
                try:
                    path = file_of(out, video_id, suffix)
                    # A file that is newer than the store's last change holds what it says.
                    is_there = path.exists() and path.stat().st_mtime_ns > last_change
                    if overwrite or not is_there:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        write_video(reader, video_id, path, form)
                        num_written += 1
                        if as_json:
                            print_event("finished", video_id=video_id)
                    else:
                        num_there += 1
                except (OSError, ValueError) as error:  # a UsageError too
                    failures[video_id] = str(error)
                    if as_json:
                        print_event("failed", video_id=video_id, reason=str(error))
                    messages.print(f"[red]failed[/] {escape(video_id)}: {escape(str(error))}")
                progress.advance(task)
    except KeyboardInterrupt:
        messages.print("Stopped. Files that were written are whole: the same command goes on.")
        return EXIT_INTERRUPTED
    _print_summary(out, num_written, num_there, failures, as_json=as_json)
    return EXIT_SOME_FAILED if failures else EXIT_ALL_THERE


def file_of(out: Path, video_id: str, suffix: str) -> Path:
    """The file of a video; an id with slashes is a path of folders.

    Raises ``ValueError`` for an id that leads out of the folder, or names another id's file.
    """
    parts = PurePosixPath(video_id).parts
    if not parts or PurePosixPath(video_id).is_absolute() or ".." in parts or "\0" in video_id:
        raise ValueError("its id would be a file outside the folder")
    if "/".join(parts) != video_id:
        raise ValueError(f"its id would be the file of '{'/'.join(parts)}'")
    return out.joinpath(*parts[:-1], f"{parts[-1]}{suffix}")


def write_video(store: StoreReader, video_id: str, path: Path, form: ExportFormat) -> None:
    """Writes a video's rows as one file; ``path`` exists afterwards with all of it, or not."""
    entry, rows = store.videos[video_id], store.rows(video_id)
    if form == "pose":
        size = entry.width, entry.height
        write_pose_file(path, rows["keypoints"], entry.fps / entry.frame_step, size)
    elif store.provenance.kind == "pose":
        value = published_keypoints(rows["keypoints"], rows["frame"], store.provenance)
        write_pickle(path, value)
    else:
        write_pickle(path, published_features(video_id, rows["features"]))


def _print_summary(
    out: Path, num_written: int, num_there: int, failures: dict[str, str], *, as_json: bool
) -> None:
    if as_json:
        counts = {"finished": num_written, "already_there": num_there}
        print_event("summary", out=str(out), **counts, failed=failures)
        return
    rows = {"files written": num_written, "already there": num_there, "failed": len(failures)}
    print_table(
        f"Exported to {escape(str(out))}", {name: f"{count:,}" for name, count in rows.items()}
    )
    for video_id, reason in failures.items():
        fail(f"{escape(video_id)}: {escape(reason)}")


_POSE_VERSION = 0.2
# Largest width and height that the header of a ``.pose`` file can hold.
_MAX_PIXELS = 2**16 - 1


def write_pose_file(
    path: Path,
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
    fps: float,
    size: tuple[int, int],
) -> None:
    """Writes one person's keypoints with COCO-WholeBody's own order and names.

    ``size`` is width and height in pixels. Reading returns the same bits, NaN and confidence 0
    included; ``fps`` is rounded to float32. Raises ``UsageError`` for a size that the format
    cannot hold. https://github.com/sign-language-processing/pose/blob/master/docs/specs
    """
    if not all(0 < pixels <= _MAX_PIXELS for pixels in size):
        raise UsageError(
            f"{path}: .pose files are of 1 to {_MAX_PIXELS} pixels a side, not {size[0]}x{size[1]}"
        )
    header = PoseHeader(_POSE_VERSION, PoseHeaderDimensions(*size), cocowholebody_components())
    one_person = keypoints[:, None]
    # The library masks what has no confidence, and writes what is below the mask.
    body = NumPyPoseBody(fps, one_person[..., :2], one_person[..., 2])
    with whole_file(path, durable=False) as file:
        Pose(header, body).write(file)


def published_keypoints(
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
    frames: Int32[np.ndarray, " frame"],
    provenance: Provenance,
) -> dict[str, object]:
    """``{'keypoints', 'img_list'}`` of a video; ``frames`` are the numbers of its rows, from 0.

    For a store that was imported from such files, images get the names they had there, and rows
    that stand for frames the files left out are left out again. Otherwise images are named as in
    PHOENIX-2014T, and all rows are written.
    """
    imported_from, names = provenance.imported_from, PUBLISHED_NAMES
    if imported_from and imported_from.frame_names and imported_from.first_number is not None:
        names = FrameNames(imported_from.frame_names, imported_from.first_number)
        # Frames left out were filled with the very bits of no_person_found; the last frame is
        # listed, or the import would have ended before it.
        no_person = no_person_found(1).view(np.uint32)
        is_listed = np.asarray((keypoints.view(np.uint32) != no_person).any(axis=(1, 2)))
        is_listed[-1] = True
        keypoints, frames = keypoints[is_listed], frames[is_listed]
    return {"keypoints": keypoints, "img_list": [names.name(frame) for frame in frames.tolist()]}


def published_features(
    video_id: str, features: Float32[np.ndarray, "clip rgb"] | Float16[np.ndarray, "clip rgb"]
) -> dict[str, object]:
    """``{'name', 'feature'}`` of a video."""
    return {"name": video_id, "feature": features}


# ``portable`` rewrites the operations that this protocol uses for names.
_PICKLE_PROTOCOL = 4
_NUMPY_2_MODULE, _NUMPY_1_MODULE = "numpy._core.multiarray", "numpy.core.multiarray"


def write_pickle(path: Path, value: dict[str, object]) -> None:
    """Writes a pickle that NumPy 1 and 2 can read."""
    content = portable(pickle.dumps(value, protocol=_PICKLE_PROTOCOL))
    write_whole(path, content, durable=False)


def portable(content: bytes) -> bytes:
    """The same pickle (of protocol 4) with the array module's name of NumPy 1, which 2 knows too.

    Frames, which only help reading and would have other lengths, are left out.
    """
    # Every operation is copied as it is, up to the start of the next one, but for those two.
    parts = []
    operations = [*pickletools.genops(content), (None, None, len(content))]
    for (operation, argument, start), (_, _, stop) in pairwise(operations):
        if argument == _NUMPY_2_MODULE:
            name = _NUMPY_1_MODULE.encode()
            parts.append(pickle.SHORT_BINUNICODE + bytes([len(name)]) + name)
        elif operation is not None and operation.name != "FRAME":
            parts.append(content[start:stop])
    return b"".join(parts)
