"""The command ``seds-extract boxes``: finds the signer where an index has no crop yet."""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from rich.markup import escape

from extract.cropping.cropped_index import write_cropped_index
from extract.cropping.request import BoxesRequest
from extract.cropping.signer_square import signer_square
from extract.pose.estimate import Choice, chosen_person
from extract.pose.person_detector import PersonDetector, load_person_detector
from extract.run.command import EXIT_ALL_THERE, EXIT_SOME_FAILED
from extract.run.streams import resolve_device
from extract.settings import ExtractSettings
from extract.videos.decode_job import DecodeJob
from extract.videos.decode_pool import DecodePool
from extract.videos.decoded_video import DecodedVideo
from extract.videos.listing import ListedVideo, videos_of_index
from extract.videos.part import Crop, FrameCountChanged, VideoError
from seds_core.console import messages, progress_bar, results
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section


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
    detect = load_person_detector(detector, torch.device(resolve_device(request.device)))
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
