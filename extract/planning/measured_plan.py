"""The plan itself: looks into videos and measures decoding and networks on a few frames."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import torch

from extract.planning.counts import VideoSample
from extract.planning.decoding_speed import decode_some
from extract.planning.drawn_sample import draw_sample, sample_of
from extract.planning.extraction_plan import ExtractionPlan, Machine, make_plan
from extract.planning.measured_work import detector_work, keypoint_work, measurable, rgb_work
from extract.planning.probing import look_into
from extract.planning.releases import ONE_HOUR, RELEASES
from extract.planning.request import PlanRequest
from extract.planning.steps import downloads, steps
from extract.planning.work import StreamWork
from extract.pose.pose_stream import PoseStream
from extract.pose.provenance import DEMO, RANDOM, find_model
from extract.rgb.rgb_stream import RgbStream
from extract.run.streams import resolve_device
from extract.settings import ExtractSettings
from extract.videos.listing import ListedVideo, VideoList
from seds_core.console import messages


def measured_plan(
    request: PlanRequest, settings: ExtractSettings, listed: VideoList | None, folder: Path
) -> ExtractionPlan:
    """The plan for videos, or without any for the pipeline's data set, of which one is drawn.

    Raises ``UnavailableError`` when no video can be decoded.
    """
    load = os.getloadavg()[0]  # before this program adds to it
    device = torch.device(resolve_device(request.device))
    messages.print("loading the pipeline's networks, with random weights: they are as fast")
    sped = measurable(settings, device)
    rgb, pose = RgbStream.load(sped, str(device)), PoseStream.load(sped, str(device))
    sample, videos = _videos(request, listed, settings, pose, folder)
    messages.print("measuring decoding and the networks on a few frames")
    works = _rgb(rgb, videos, settings), _pose(pose, videos, settings, device)
    return make_plan(
        request.pipeline,
        settings,
        sample,
        works,
        _machine(device, load),
        steps(request, settings),
        downloads(request, _weights(settings)),
        is_drawn=not (request.index or request.places),
    )


def _videos(
    request: PlanRequest,
    listed: VideoList | None,
    settings: ExtractSettings,
    stream: PoseStream,
    folder: Path,
) -> tuple[VideoSample, Sequence[ListedVideo]]:
    """What is known of the videos, and those that can be decoded."""
    if listed is None:
        release = RELEASES.get(request.pipeline, ONE_HOUR)
        return sample_of(release), draw_sample(release, folder).videos
    source = str(request.index or ", ".join(request.places))
    return look_into(listed, request.sample, stream, settings.frames, source)


def _rgb(stream: RgbStream, videos: Sequence[ListedVideo], settings: ExtractSettings) -> StreamWork:
    decoded = decode_some(videos, stream, settings.frames)
    return StreamWork("rgb", (rgb_work(stream, decoded.frames),), decoded.seconds_a_frame)


def _pose(
    stream: PoseStream,
    videos: Sequence[ListedVideo],
    settings: ExtractSettings,
    device: torch.device,
) -> StreamWork:
    decoded = decode_some(videos, stream, settings.frames)
    keypoints = keypoint_work(stream, decoded.frames, device)
    detector = detector_work(settings.pose, decoded.frames, device)
    works = (keypoints, detector) if detector else (keypoints,)
    return StreamWork("pose", works, decoded.seconds_a_frame)


def _machine(device: torch.device, load: float) -> Machine:
    name = "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)
    cores = len(os.sched_getaffinity(0))
    return Machine(name, cores, is_cpu=device.type == "cpu", load=load)


def _weights(settings: ExtractSettings) -> list[str]:
    """Names of the weights that the pipeline loads."""
    names = [f"weights '{settings.rgb.weights}' of {settings.rgb.backbone}"]
    pose = settings.pose
    if pose.detector == "mmpose" and pose.model != DEMO and pose.checkpoint != RANDOM:
        checkpoint = find_model(pose.model, pose.checkpoint).checkpoint
        name = PurePosixPath(urlparse(checkpoint).path).name
        names.append(f"{name} of {pose.model} (none with --detector mediapipe)")
    if pose.person_box == "detector":
        names.append(f"torchvision's {pose.person_detector.network}")
    return names
