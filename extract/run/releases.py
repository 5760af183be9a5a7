"""The published data sets, and what to fetch and to type from their archives to a score."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from extract.pose.provenance import DEMO, RANDOM, find_model
from extract.run.estimate import VideoSample
from extract.settings import ExtractSettings
from extract.videos.listing import ListedVideo
from extract.videos.part import WHOLE, read_part
from extract.videos.video_writing import write_video
from seds_core.command_line import PIPELINE_FILE
from seds_core.dataset_index import read_index


@dataclass(frozen=True)
class Release:
    """A data set as its makers hand it out."""

    title: str
    videos: int
    """Sentences, in all splits."""
    lengths: tuple[int, ...]
    """Frames of videos that stand for equally many others: about the means of each tenth of the
    lengths in the published caption files."""
    fps: float
    width: int
    """Pixels of a frame as it is decoded."""
    height: int
    suffix: str
    """Suffix of the video files, or of the images in a video's folder."""
    crop: str = ""
    """What the index cuts out of a frame: left,top,width,height; it becomes 256 x 256."""
    raw_bytes: int | None = None
    """Size of the archives; ``None`` where it is not published."""
    archives: tuple[str, ...] = ()
    """Files to download, by name."""
    captions: tuple[str, ...] = ("table", "captions.csv", "--videos", "my_videos")
    """Arguments of ``seds-extract captions`` that make its index."""


RELEASES: Mapping[str, Release] = {
    # https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX-2014-T/
    "phoenix-2014t": Release(
        title="RWTH-PHOENIX-Weather 2014T, as published",
        videos=8_257,
        lengths=(42, 64, 81, 94, 105, 116, 127, 142, 163, 205),
        fps=25.0,
        width=210,
        height=260,
        suffix=".png",
        raw_bytes=41_700_000_000,
        archives=("phoenix-2014-T.v3.tar.gz", "the published English captions (data_ph)"),
        captions=(
            "published", "data_ph",
            "--videos", "PHOENIX-2014-T/features/fullFrame-210x260px",
        ),
    ),
    # https://ustc-slr.github.io/datasets/2021_csl_daily/ (on request)
    "csl-daily": Release(
        title="CSL-Daily, as published",
        videos=20_654,
        lengths=(53, 72, 85, 96, 107, 118, 131, 146, 167, 207),
        fps=30.0,
        width=512,
        height=512,
        suffix=".jpg",
        archives=(
            "csl-daily-frames-512x512.tar.gz_00 to _09 (on request)",
            "the published English captions (data_csl)",
        ),
        captions=("published", "data_csl", "--videos", "sentence/frames_512x512"),
    ),
    # https://how2sign.github.io/ (archives and their sizes), arXiv 2008.08143 (number of sentences)
    "how2sign": Release(
        title="How2Sign, green screen, frontal view, as published",
        videos=35_191,
        lengths=(25, 50, 72, 94, 120, 149, 186, 228, 295, 475),
        fps=24.0,
        width=1280,
        height=720,
        suffix=".mp4",
        crop="280,0,720,720",
        raw_bytes=329_000_000_000,
        archives=(
            "train_raw_videos.z01 to .z09 and .zip", "val_raw_videos.zip", "test_raw_videos.zip",
            "how2sign_realigned_{train,val,test}.csv",
        ),
        captions=("how2sign", "realigned", "--videos", "raw_videos"),
    ),
}  # fmt: skip
"""Pipeline -> data set."""

ONE_HOUR = Release(
    title="one hour of video: 720 sentences of 5 s, 1280 x 720",
    videos=720,
    lengths=(125,),
    fps=25.0,
    width=1280,
    height=720,
    suffix=".mp4",
)
"""For pipelines without a published data set: multiply by the hours there are."""

NUM_FRAMES = 96
"""Frames of the video that is drawn to measure decoding."""


def sample_of(release: Release) -> VideoSample:
    """The published size of a data set, in place of what looking into its videos would tell."""
    return VideoSample(
        source=release.title,
        num_videos=release.videos,
        lengths=release.lengths,
        num_unreadable=0,
        mean_fps=release.fps,
        raw_bytes=release.raw_bytes,
    )


def draw_sample(release: Release, folder: Path) -> ListedVideo:
    """Writes one video into ``folder``, as the data set's index would list it."""
    path = folder / "drawn.mp4" if release.suffix == ".mp4" else folder / "drawn"
    # Decoding costs differ by format: a film where the set is films, else a folder of images.
    frames = moving_picture(NUM_FRAMES, release.height, release.width)
    if release.suffix == ".mp4":
        write_video(path, frames, release.fps)
    else:
        path.mkdir()
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(path / f"{number:06d}{release.suffix}")
    part = read_part({"crop": release.crop, "size": "256x256"}) if release.crop else WHOLE
    return ListedVideo("drawn", path, part)


def moving_picture(
    num_frames: int, height: int, width: int
) -> UInt8[np.ndarray, "frame height width channel=3"]:
    """A soft pattern that moves by two pixels a frame, with a camera's noise: about as much to
    decode as a person in front of a wall."""
    # A flat picture would compress to nothing and decode too fast, noise alone too slowly.
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / 40.0
    waves = (np.sin(x) * np.cos(y))[..., None] * np.array([60, 50, 40])
    soft = (128 + waves).astype(np.uint8)
    noise = generator.integers(0, 10, (height, width, 3), np.uint8)
    # Noise moves otherwise than the pattern, so that no frame is another one shifted.
    frames = [
        np.roll(soft, 2 * number, axis=1) + np.roll(noise, 31 * number, axis=0)
        for number in range(num_frames)
    ]
    return np.stack(frames)


@dataclass(frozen=True)
class Step:
    """One command to type."""

    purpose: str
    command: str


def steps(
    pipeline: str,
    settings: ExtractSettings,
    *,
    videos: Sequence[str] = (),
    index: Path | None = None,
    pipelines: Path = PIPELINE_FILE,
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
    is_default = pipelines.resolve() == PIPELINE_FILE.resolve()
    of_pipeline = ("--pipeline", pipeline, *(() if is_default else ("--pipelines", pipelines)))

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
    # Features of frames with hands need the keypoints first, so pose stands before rgb.
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
    # The demo model lies in the package, random weights nowhere, MediaPipe's within its own.
    if pose.detector == "mmpose" and pose.model != DEMO and pose.checkpoint != RANDOM:
        checkpoint = find_model(pose.model, pose.checkpoint).checkpoint
        name = PurePosixPath(urlparse(checkpoint).path).name
        names.append(f"{name} of {pose.model} (none with --detector mediapipe)")
    if pose.person_box == "detector":
        names.append(f"torchvision's {pose.person_detector.network}")
    return names
