"""Finds the signer of every video without a crop, and writes an index that has one."""

import csv
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from rich.markup import escape

from extract.pose.estimate import Choice, chosen_person
from extract.pose.person_detector import PersonDetector, load_person_detector
from extract.run.report import EXIT_ALL_THERE, EXIT_SOME_FAILED
from extract.run.streams import extraction_device
from extract.settings import ExtractSettings
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodedVideo, DecodeJob
from extract.videos.listing import ListedVideo, videos_of_index
from extract.videos.part import Crop, FrameCountChanged, VideoError
from seds_core.console import messages, progress_bar, results
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section
from seds_core.tables import TableRow, open_table
from seds_core.video_id import video_id_of


@dataclass(frozen=True)
class BoxesRequest:
    """The options of one command; nothing has been looked up yet."""

    index: Path
    out: Path
    """Index to write; may be the one that is read."""
    pipeline_file: Path
    pipeline: str
    """Its ``pose.person_detector`` says how people are found, and who of them is the signer."""
    margin: float = 0.1
    """Share of the person's box that is added on each side."""
    samples: int = 8
    """Frames of a video that are looked at, at most."""
    size: int = 256
    """Side, in pixels, that crops are resized to."""
    device: str = "auto"
    as_json: bool = False


_ADDED_COLUMNS = ("crop", "size")


def write_cropped_index(source: Path, target: Path, crops: Mapping[str, Crop], size: int) -> None:
    """Writes the index ``source``, which has been read, as ``target`` with the crops by id.

    What is cropped is resized to ``size`` x ``size`` unless the index says otherwise. Relative
    paths become absolute when the target is in another folder. ``target`` exists afterwards with
    all lines, or as it was.
    """
    with open_table(source) as table:
        columns = list(table.columns)
        lines = [dict(row.fields) for row in table.rows() if isinstance(row, TableRow)]
    is_moved = source.parent.resolve() != target.parent.resolve()
    for line in lines:
        if is_moved:
            line["path"] = str((source.parent / line["path"]).absolute())
        if crop := crops.get(video_id_of(line["video_id"])):
            line["crop"], line["size"] = str(crop), line.get("size") or f"{size}x{size}"
    columns += [name for name in _ADDED_COLUMNS if name not in columns]
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
    unfinished.rename(target)


def signer_square(
    boxes: Float32[np.ndarray, "frame box=4"], margin: float, width: int, height: int
) -> Crop:
    """A square in frames of ``width`` x ``height`` pixels around the median of the boxes.

    Its side is the box's longer one and ``margin`` of that on both ends, or the frame's shorter
    side where that is less. It is shifted to lie inside the frame.

    >>> signer_square(np.array([[400, 100, 600, 500]], np.float32), 0.1, 1280, 720)
    Crop(left=260, top=60, width=480, height=480)
    """
    left, top, right, bottom = np.median(boxes, axis=0).tolist()
    wanted = (1 + 2 * margin) * max(right - left, bottom - top)
    side = max(1, min(round(wanted), width, height))
    return Crop(
        left=_inside(round((left + right - side) / 2), width - side),
        top=_inside(round((top + bottom - side) / 2), height - side),
        width=side,
        height=side,
    )


def _inside(place: int, last: int) -> int:
    return min(max(0, place), last)


@dataclass
class Findings:
    """What was found, by the videos' ids."""

    crops: dict[str, Crop] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    """Why there is no crop."""


def run_boxes(request: BoxesRequest) -> int:
    """Writes the index with a crop for every video, and gives the exit code.

    A video that cannot be read, or shows nobody, is named and left uncropped. Raises ``UsageError``
    for a request or an index that cannot be used, and ``UnavailableError`` when the detector's
    weights cannot be had.
    """
    _check(request)
    settings = read_section(request.pipeline_file, request.pipeline, "extract", ExtractSettings)
    videos = videos_of_index(request.index).videos
    uncropped = [video for video in videos if video.part.crop is None]
    findings = _find(uncropped, request, settings) if uncropped else Findings()
    write_cropped_index(request.index, request.out, findings.crops, request.size)
    _print_summary(request, findings, num_cropped_before=len(videos) - len(uncropped))
    return EXIT_SOME_FAILED if findings.failures else EXIT_ALL_THERE


def _check(request: BoxesRequest) -> None:
    """Raises ``UsageError`` before time is spent on what cannot end well."""
    if not 0 <= request.margin < float("inf"):
        raise UsageError(f"--margin {request.margin} is no share of a box; 0.1 is a tenth")
    if request.samples < 1 or request.size < 1:
        raise UsageError(
            f"--samples {request.samples} and --size {request.size} must both be at least 1"
        )
    if not request.out.parent.is_dir():
        raise UsageError(f"--out {request.out}: the folder {request.out.parent} does not exist")


def _find(videos: list[ListedVideo], request: BoxesRequest, settings: ExtractSettings) -> Findings:
    detector = settings.pose.person_detector
    detect = load_person_detector(detector, extraction_device(request.device))
    run, findings = settings.run, Findings()
    jobs = [_job(video, request, settings) for video in videos]
    with DecodePool(run.decode_workers, run.decode_timeout) as pool, progress_bar() as progress:
        task = progress.add_task("looking for signers", total=len(jobs), rates="")
        for decoded in pool.stream(jobs):
            video_id = decoded.job.video_id
            try:
                crop = _crop(decoded, detect, detector.choice, request.margin)
            except VideoError as error:
                findings.failures[video_id] = error.reason
                name = f"{video_id} ({decoded.job.source_name})"
                messages.print(f"[red]failed[/] {escape(f'{name}: {error.reason}')}")
                _event(request, "failed", video_id=video_id, reason=error.reason)
            else:
                findings.crops[video_id] = crop
                _event(request, "found", video_id=video_id, crop=str(crop))
            progress.update(task, advance=1)
    return findings


def _job(video: ListedVideo, request: BoxesRequest, settings: ExtractSettings) -> DecodeJob:
    """Evenly spaced frames of a video, in the recording's own pixels."""
    return DecodeJob(
        video.video_id,
        video.path,
        replace(video.part, size=None),
        problem=video.problem,
        folder_fps=settings.frames.folder_fps,
        max_frames=request.samples,
        hash=False,
    )


def _crop(decoded: DecodedVideo, detect: PersonDetector, choice: Choice, margin: float) -> Crop:
    """The square around the signer. Raises ``VideoError`` where there is nobody."""
    boxes = list(_signer_boxes(decoded, detect, choice))
    if not boxes:
        raise VideoError(decoded.job.path, "nobody was found in it")
    properties = decoded.properties
    return signer_square(np.stack(boxes), margin, properties.width, properties.height)


def _signer_boxes(
    decoded: DecodedVideo, detect: PersonDetector, choice: Choice
) -> Iterator[np.ndarray]:
    width, height = decoded.properties.width, decoded.properties.height
    with suppress(FrameCountChanged):  # the frames are the video's, if not quite evenly spaced
        for chunk in decoded.chunks():
            for frame in chunk.frames:
                box = chosen_person(detect(frame), choice, width, height)
                if box is not None:
                    yield box


def _print_summary(request: BoxesRequest, findings: Findings, num_cropped_before: int) -> None:
    num_found, num_failed = len(findings.crops), len(findings.failures)
    _event(
        request,
        "summary",
        index=str(request.out),
        found=num_found,
        cropped_before=num_cropped_before,
        failed=findings.failures,
    )
    if not request.as_json:
        results.print(
            f"{escape(str(request.out))}: {num_found:,} signers found, {num_cropped_before:,} "
            f"videos had a crop, {num_failed:,} are left without"
        )


def _event(request: BoxesRequest, event: str, **values: object) -> None:
    """One line of JSON, where they are asked for."""
    if request.as_json:
        sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
        sys.stdout.flush()
