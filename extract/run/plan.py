"""What a pipeline would take, behind ``seds-extract plan``: measured here, with what to type."""

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

from extract.pose.provenance import DEMO, RANDOM, find_model
from extract.run.command import listed_videos
from extract.run.estimate import VideoSample, decode_some, sample_videos
from extract.run.hours import StreamWork
from extract.run.plan_report import Machine, Step, as_values, make_plan, plan_tables
from extract.run.releases import ONE_HOUR, RELEASES, draw_sample, sample_of
from extract.run.streams import extraction_device
from extract.settings import ExtractSettings
from extract.videos.listing import ListedVideo, VideoList
from seds_core.command_line import PIPELINE_FILE
from seds_core.console import messages, results
from seds_core.dataset_index import read_index
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section


def run_plan(
    pipeline: str = "custom",
    *,
    pipeline_file: Path = PIPELINE_FILE,
    videos: Sequence[str] = (),
    index: Path | None = None,
    sample: int = 200,
    device: str = "auto",
    as_json: bool = False,
) -> int:
    """Looks into videos, measures the networks, prints the plan and returns the exit code.

    At most ``sample`` of the videos, evenly chosen, are opened. Without ``videos`` (folders, files
    and patterns) and ``index``, the published size of the pipeline's data set is planned for, or an
    hour of video. Raises ``UsageError`` for options that do not fit each other or their files,
    before anything heavy is loaded, and ``UnavailableError`` when no video can be decoded.
    """
    if index and videos:
        raise UsageError("name the videos either with --videos or with --index")
    if sample < 1:
        raise UsageError(f"--sample is {sample}; look into one video at least")
    settings = read_section(pipeline_file, pipeline, "extract", ExtractSettings)
    listed = listed_videos(videos, index) if index or videos else None
    source = str(index or ", ".join(videos))
    if listed is not None and not listed.videos:
        raise UsageError(f"{source} names no video")

    # Looking and measuring take a minute; what follows from them is arithmetic.
    machine, found, works = _measure(pipeline, settings, listed, source, sample, device)
    plan = make_plan(
        pipeline,
        settings,
        found,
        works,
        machine,
        steps(pipeline, settings, videos=videos, index=index, pipeline_file=pipeline_file),
        [*([] if listed else archives(pipeline)), *weights_files(settings)],
        is_drawn=listed is None,
    )
    if as_json:
        sys.stdout.write(json.dumps(as_values(plan)) + "\n")
    else:
        results.print(plan_tables(plan))
    return 0


def _measure(
    pipeline: str,
    settings: ExtractSettings,
    listed: VideoList | None,
    source: str,
    limit: int,
    device_name: str,
) -> tuple[Machine, VideoSample, tuple[StreamWork, StreamWork]]:
    """The machine, what the videos are like, and what RGB and pose cost here.

    Where no videos are ``listed`` the data set's published size serves, and a video is drawn.
    """
    load = os.getloadavg()[0]  # before this program adds to it
    # Torch and the networks take seconds to import: only now that the options are known to fit.
    import torch  # noqa: PLC0415

    from extract.pose.pose_stream import PoseStream  # noqa: PLC0415
    from extract.rgb.rgb_stream import RgbStream  # noqa: PLC0415
    from extract.run import measured_work as measured  # noqa: PLC0415

    device = extraction_device(device_name)
    messages.print("loading the pipeline's networks, with random weights: they are as fast")
    quick = measured.measurable(settings, device)
    rgb, pose = RgbStream.load(quick, str(device)), PoseStream.load(quick, str(device))
    videos: Sequence[ListedVideo]
    with tempfile.TemporaryDirectory(prefix="seds-plan-") as folder:
        # Without videos of their own, the published lengths are counted and a drawn video of the
        # data set's size and form is decoded.
        if listed is None:
            release = RELEASES.get(pipeline, ONE_HOUR)
            sample, videos = sample_of(release), (draw_sample(release, Path(folder)),)
        else:
            sample, videos = sample_videos(listed.videos, limit, pose, settings.frames, source)
        messages.print("measuring decoding and the networks on a few frames")
        # Each stream has the decoder resize frames in its own way, so decoding is measured twice.
        decoded = decode_some(videos, rgb, settings.frames)
        of_rgb = StreamWork(
            "rgb", (measured.rgb_work(rgb, decoded.frames),), decoded.seconds_a_frame
        )
        decoded = decode_some(videos, pose, settings.frames)
        keypoints = measured.keypoint_work(pose, decoded.frames, device)
        detector = measured.detector_work(settings.pose, decoded.frames, device)
        works = (keypoints, detector) if detector else (keypoints,)
        of_pose = StreamWork("pose", works, decoded.seconds_a_frame)
    is_cpu = device.type == "cpu"
    name = "cpu" if is_cpu else torch.cuda.get_device_name(device)
    machine = Machine(name, len(os.sched_getaffinity(0)), is_cpu=is_cpu, load=load)
    return machine, sample, (of_rgb, of_pose)


def steps(
    pipeline: str,
    settings: ExtractSettings,
    *,
    videos: Sequence[str] = (),
    index: Path | None = None,
    pipeline_file: Path = PIPELINE_FILE,
) -> list[Step]:
    """The commands from here to the score: with an index, extraction is the first."""
    release = RELEASES.get(pipeline, ONE_HOUR)
    used, made = index or Path(f"{pipeline}.csv"), []
    # Without an index, the captions of the data set, or of a table of one's own, become one.
    if index is None:
        arguments = release.captions
        if videos:
            arguments = (*arguments[:-1], videos[0])
        command = _line("seds-extract", "captions", *arguments, "--out", used)
        made.append(Step("index of videos and sentences", command))
    is_default = pipeline_file.resolve() == PIPELINE_FILE.resolve()
    of_pipeline = ("--pipeline", pipeline, *(() if is_default else ("--pipelines", pipeline_file)))

    # Where a data set is published as whole recordings, a crop shows the signer.
    lacks_crops = release.crop and not (
        index and any(video.other.get("crop") for video in read_index(index))
    )
    if lacks_crops:
        cropped = used.with_name(f"{used.stem}-cropped.csv")
        command = _line("seds-extract", "boxes", *of_pipeline, "--index", used, "--out", cropped)
        made.append(Step("where the signers are", command))
        used = cropped

    options = (*of_pipeline, "--index", used)
    pose, rgb = Path(f"stores/{pipeline}-pose.zarr"), Path(f"stores/{pipeline}-rgb.zarr")
    only_hands = ("--pose", pose) if settings.rgb.frames == "hands" else ()
    training = _line("seds-train", "--stage", "fusion", *options, "--rgb", rgb, "--pose", pose)
    run = Path(f"runs/{pipeline}-fusion-seed42")
    compare = ("--compare", "published") if pipeline in RELEASES else ()
    return [
        *made,
        Step("keypoints", _line("seds-extract", "pose", *options, "--out", pose)),
        Step("features", _line("seds-extract", "rgb", *options, "--out", rgb, *only_hands)),
        Step("training", training),
        Step("score", _line("seds-eval", "--run", run, *compare)),
    ]


def _line(*words: str | Path) -> str:
    return shlex.join(map(str, words))


def archives(pipeline: str) -> tuple[str, ...]:
    """Files of the pipeline's data set to download, by name."""
    return RELEASES[pipeline].archives if pipeline in RELEASES else ()


def weights_files(settings: ExtractSettings) -> list[str]:
    """The weights that the pipeline loads, by name."""
    names = [f"weights '{settings.rgb.weights}' of {settings.rgb.backbone}"]
    pose = settings.pose
    if pose.detector == "mmpose" and pose.model != DEMO and pose.checkpoint != RANDOM:
        checkpoint = find_model(pose.model, pose.checkpoint).checkpoint
        name = PurePosixPath(urlparse(checkpoint).path).name
        names.append(f"{name} of {pose.model} (none with --detector mediapipe)")
    if pose.person_box == "detector":
        names.append(f"torchvision's {pose.person_detector.network}")
    return names
