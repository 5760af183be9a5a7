"""``seds-extract boxes``: finds the signers of videos, and writes an index that crops to them."""

import csv
import io
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from rich.markup import escape

from extract.pose.person_detector import (
    Choice,
    PersonDetector,
    chosen_person,
    load_person_detector,
)
from extract.run.loop import decode_pool
from extract.run.report import EXIT_ALL_THERE, EXIT_SOME_FAILED
from extract.run.streams import extraction_device
from extract.settings import ExtractSettings
from extract.videos.decoding import DecodedVideo, DecodeJob
from extract.videos.listing import videos_of_index
from extract.videos.part import Crop, FrameCountChanged, VideoError
from seds_core.command_line import PIPELINE_FILE
from seds_core.console import messages, print_event, progress_bar, results
from seds_core.errors import UsageError
from seds_core.files import write_whole
from seds_core.pipeline_file import read_section
from seds_core.tables import TableRow, open_table
from seds_core.video_id import video_id_of


def run_boxes(
    index: Path,
    out: Path,
    *,
    pipelines: Path = PIPELINE_FILE,
    pipeline: str = "custom",
    margin: float = 0.1,
    samples: int = 8,
    size: int = 256,
    device: str = "auto",
    as_json: bool = False,
) -> int:
    """Writes ``index`` as ``out`` with a crop for every video, and returns the exit code.

    The pipeline's ``pose.person_detector`` says how people are found, and who of them is the
    signer. At most ``samples`` frames of a video are looked at; the crop is the signer's box with
    ``margin`` of it on each side, resized to ``size`` pixels. A video that cannot be read or shows
    no person is named and left uncropped. Raises ``UsageError`` for options or an index that
    cannot be used, and ``UnavailableError`` when the detector's weights cannot be had.
    """
    _refuse_options(out, margin, samples, size)
    settings = read_section(pipelines, pipeline, "extract", ExtractSettings)
    videos = videos_of_index(index).videos
    jobs = [
        DecodeJob(
            video.video_id,
            video.path,
            replace(video.part, size=None),  # boxes are found in the recording's own pixels
            problem=video.problem,
            folder_fps=settings.frames.folder_fps,
            max_frames=samples,
            hash=False,
        )
        for video in videos
        if video.part.crop is None
    ]
    # By video id; a video has a crop or a failure.
    crops: dict[str, Crop] = {}
    failures: dict[str, str] = {}
    if jobs:
        detector = settings.pose.person_detector
        detect = load_person_detector(detector, extraction_device(device))
        run = settings.run
        with decode_pool(run) as pool, progress_bar() as progress:
            task = progress.add_task("looking for signers", total=len(jobs), rates="")
            for decoded in pool.stream(jobs):
                video_id = decoded.job.video_id
                try:
                    crop = crops[video_id] = _signer_crop(decoded, detect, detector.choice, margin)
                    event, told = "found", {"crop": str(crop)}
                except VideoError as error:
                    failures[video_id] = error.reason
                    event, told = "failed", {"reason": error.reason}
                    name = f"{video_id} ({decoded.job.source_name})"
                    messages.print(f"[red]failed[/] {escape(f'{name}: {error.reason}')}")
                if as_json:
                    print_event(event, video_id=video_id, **told)
                progress.update(task, advance=1)
    write_cropped_index(index, out, crops, size)
    _print_summary(out, len(videos) - len(jobs), crops, failures, as_json=as_json)
    return EXIT_SOME_FAILED if failures else EXIT_ALL_THERE


def _refuse_options(out: Path, margin: float, samples: int, size: int) -> None:
    """Raises ``UsageError`` before time is spent on a run that cannot end well."""
    if not 0 <= margin < float("inf"):
        raise UsageError(f"--margin {margin} is no fraction of a box; 0.1 is a tenth")
    if samples < 1 or size < 1:
        raise UsageError(f"--samples {samples} and --size {size} must both be at least 1")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist")


def _signer_crop(
    decoded: DecodedVideo, detect: PersonDetector, choice: Choice, margin: float
) -> Crop:
    """The square around the signer. Raises ``VideoError`` for a video that shows no person."""
    width, height = decoded.properties.width, decoded.properties.height
    boxes = []
    with suppress(FrameCountChanged):  # the frames are the video's, if not quite evenly spaced
        for chunk in decoded.chunks():
            found = (chosen_person(detect(frame), choice, width, height) for frame in chunk.frames)
            boxes += [box for box in found if box is not None]
    if not boxes:
        raise VideoError(decoded.job.path, "no person was found in it")
    return signer_square(np.stack(boxes), margin, width, height)


def signer_square(
    boxes: Float32[np.ndarray, "frame box=4"], margin: float, width: int, height: int
) -> Crop:
    """A square in frames of ``width`` x ``height`` pixels around the median of the boxes.

    Its side is the box's longer one and ``margin`` of that on both ends, or the frame's shorter
    side where that is less. It is shifted to lie inside the frame.

    >>> signer_square(np.array([[400, 100, 600, 500]], np.float32), 0.1, 1280, 720)
    Crop(left=260, top=60, width=480, height=480)
    """
    # The median stays with the signer when another person is found in some frames.
    left, top, right, bottom = np.median(boxes, axis=0).tolist()
    wanted = (1 + 2 * margin) * max(right - left, bottom - top)
    side = max(1, min(round(wanted), width, height))
    return Crop(
        left=min(max(0, round((left + right - side) / 2)), width - side),
        top=min(max(0, round((top + bottom - side) / 2)), height - side),
        width=side,
        height=side,
    )


def write_cropped_index(source: Path, target: Path, crops: Mapping[str, Crop], size: int) -> None:
    """Writes the index ``source``, which has been read, as ``target`` with the crops by id.

    Crops are resized to ``size`` x ``size`` unless the index says otherwise. Relative paths become
    absolute when the target is in another folder. ``target`` exists afterwards with all lines, or
    as it was.
    """
    with open_table(source) as table:
        columns = list(table.columns)
        lines = [dict(row.fields) for row in table.rows() if isinstance(row, TableRow)]
    # Paths of an index are relative to its folder.
    is_moved = source.parent.resolve() != target.parent.resolve()
    for line in lines:
        if is_moved:
            line["path"] = str((source.parent / line["path"]).absolute())
        if crop := crops.get(video_id_of(line["video_id"])):
            line["crop"], line["size"] = str(crop), line.get("size") or f"{size}x{size}"
    columns += [name for name in ("crop", "size") if name not in columns]
    text = io.StringIO(newline="")
    # A line without a crop leaves the added columns empty.
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines)
    write_whole(target, text.getvalue().encode(), durable=False)


def _print_summary(
    out: Path,
    num_cropped_before: int,
    crops: Mapping[str, Crop],
    failures: Mapping[str, str],
    *,
    as_json: bool,
) -> None:
    summary = {"found": len(crops), "cropped_before": num_cropped_before, "failed": failures}
    if as_json:
        print_event("summary", index=str(out), **summary)
    else:
        results.print(
            f"{escape(str(out))}: {len(crops):,} signers found, {num_cropped_before:,} videos had "
            f"a crop, {len(failures):,} are left without"
        )
