"""A measured sample of the videos: their lengths, and how fast one process decodes."""

import csv
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import fmean

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from extract.run.loop import decode_job
from extract.settings import ExtractSettings, FrameSettings
from extract.stream import Stream
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodedVideo
from extract.videos.listing import ListedVideo, VideoList, videos_of_index
from extract.videos.part import FrameCountChanged, VideoError, VideoProperties
from extract.videos.source_identity import quick_identity
from extract.videos.video_writing import write_video
from seds_core.clip_plan import plan_clips
from seds_core.console import track
from seds_core.errors import UnavailableError, UsageError


@dataclass(frozen=True)
class VideoSample:
    """What was found in some of the videos that are to be extracted."""

    source: str
    """Where the videos are from."""
    num_videos: int
    """All of them."""
    lengths: tuple[int, ...]
    """Frames of the videos that were looked into and can be read."""
    num_unreadable: int
    """Videos that were looked into and cannot be opened."""
    mean_fps: float
    raw_bytes: int | None
    """Bytes of all sources; ``None`` where that is not known."""

    @property
    def num_seen(self) -> int:
        """Videos that were looked into."""
        return len(self.lengths) + self.num_unreadable

    @property
    def is_whole(self) -> bool:
        """Whether these are all videos, so that nothing was extrapolated."""
        return self.num_seen == self.num_videos


@dataclass(frozen=True)
class Counts:
    """What an extraction has to get through; estimates unless every video was looked into."""

    videos: int
    """Those that can be read, as far as the sample tells."""
    frames: int
    """All frames: each has to be decoded."""
    timeline_frames: int
    """Rows of the pose store."""
    clips: int
    """Rows of the RGB store; fewer where frames without hands are left out."""


def count(sample: VideoSample, settings: ExtractSettings) -> Counts:
    """The sample's frames and clips, scaled to all videos; the sample has a readable video."""
    plans = [
        plan_clips(
            length,
            max_frames=settings.frames.max_frames,
            clip_length=settings.rgb.clip_length,
            max_clips=settings.rgb.clip_limit,
        )
        for length in sample.lengths
    ]
    share = sample.num_videos / sample.num_seen
    return Counts(
        videos=round(share * len(sample.lengths)),
        frames=round(share * sum(sample.lengths)),
        timeline_frames=round(share * sum(plan.num_timeline_frames for plan in plans)),
        clips=round(share * sum(len(plan.starts) for plan in plans)),
    )


def evenly_chosen(count: int, limit: int) -> Sequence[int]:
    """Places of at most ``limit`` of ``count`` things, spread evenly.

    >>> list(evenly_chosen(10, 4)), list(evenly_chosen(3, 4))
    ([0, 2, 5, 7], [0, 1, 2])
    """
    return [place * count // limit for place in range(limit)] if count > limit else range(count)


def look_into(
    videos: VideoList, limit: int, stream: Stream, frames: FrameSettings, source: str
) -> tuple[VideoSample, tuple[ListedVideo, ...]]:
    """What at most ``limit`` videos are like, and those of them that can be opened.

    Raises ``UsageError`` when none of them can be.
    """
    chosen = [videos.videos[place] for place in evenly_chosen(len(videos.videos), limit)]
    found = _opened(chosen, stream, frames)
    if not found:
        raise UsageError(
            f"none of the {len(chosen)} videos that were looked into can be opened, such as "
            f"{chosen[0].path}: are the paths of {source} right?"
        )
    sample = VideoSample(
        source=source,
        num_videos=len(videos.videos),
        lengths=tuple(properties.num_frames for _, properties in found),
        num_unreadable=len(chosen) - len(found),
        mean_fps=fmean(properties.fps for _, properties in found),
        raw_bytes=_raw_bytes(videos.videos, [video for video, _ in found]),
    )
    return sample, tuple(video for video, _ in found)


def _opened(
    chosen: Sequence[ListedVideo], stream: Stream, frames: FrameSettings
) -> list[tuple[ListedVideo, VideoProperties]]:
    found = []
    with DecodePool(num_workers=0) as pool:
        for video in track(chosen, "looking into videos"):
            decoded = pool.decode(replace(decode_job(video, stream, frames), hash=False))
            try:
                found.append((video, decoded.properties))
            except VideoError:
                continue  # counted; the extraction tells what is wrong with it
            finally:
                decoded.close()
    return found


def _raw_bytes(videos: Sequence[ListedVideo], seen: Sequence[ListedVideo]) -> int:
    """Bytes of all sources, from those of some; a recording of several videos counts once."""
    sources: set[Path] = {video.path for video in seen}
    of_one = fmean(quick_identity(path)[0] for path in sources)
    return round(of_one * len({video.path for video in videos}))


MEASURED_VIDEOS = 3
MEASURED_CHUNKS = 3
"""Chunks that are decoded of a video, of 64 timeline frames each."""


@dataclass(frozen=True)
class Decoded:
    """What decoding a few videos gave."""

    seconds_a_frame: float
    """Of one process, for every frame of a video, on the timeline or not; opening included."""
    frames: UInt8[np.ndarray, "frame height width channel=3"]
    """The first chunk, as the stream's networks get it."""


def decode_some(videos: Sequence[ListedVideo], stream: Stream, frames: FrameSettings) -> Decoded:
    """Decodes the beginnings of a few of the videos in this process, alone.

    Raises ``UnavailableError`` when none of them can be decoded.
    """
    places = range(0, len(videos), max(1, len(videos) // MEASURED_VIDEOS))
    kept: UInt8[np.ndarray, "_ _ _ channel=3"] | None = None
    num_frames, begin = 0, time.perf_counter()
    with DecodePool(num_workers=0) as pool:
        for place in islice(places, MEASURED_VIDEOS):
            job = replace(decode_job(videos[place], stream, frames), hash=False)
            decoded = pool.decode(job)
            for chunk in _first_chunks(decoded):
                kept = chunk if kept is None else kept
                num_frames += len(chunk) * decoded.frame_step
            decoded.close()
    if kept is None:
        raise UnavailableError(f"no video could be decoded, such as {videos[0].path}")
    return Decoded((time.perf_counter() - begin) / num_frames, kept)


def _first_chunks(
    decoded: DecodedVideo,
) -> Iterator[UInt8[np.ndarray, "frame height width channel=3"]]:
    """The first chunks' frames; fewer of a video that turns out to be damaged."""
    try:
        for chunk in islice(decoded.chunks(), MEASURED_CHUNKS):
            yield chunk.frames.copy()  # its memory is filled again
    except (VideoError, FrameCountChanged):
        return


@dataclass(frozen=True)
class Release:
    """A data set as its makers hand it out."""

    title: str
    videos: int
    """Sentences, in all splits."""
    lengths: tuple[int, ...]
    """Frames of a video that stand for equal shares of all videos: the means of its tenths, about;
    from the frame counts in the published caption files."""
    fps: float
    width: int
    """Pixels of a frame as it is decoded."""
    height: int
    suffix: str
    """Of the video files, or of the images in a video's folder."""
    crop: str = ""
    """What the index cuts out of a frame: left,top,width,height; it becomes 256 x 256."""
    raw_bytes: int | None = None
    """Of the archives; ``None`` where nobody tells."""
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


def draw_sample(release: Release, folder: Path) -> VideoList:
    """Writes one video into ``folder``, with an index as the data set's would be."""
    path = folder / "drawn.mp4" if release.suffix == ".mp4" else folder / "drawn"
    frames = moving_picture(NUM_FRAMES, release.height, release.width)
    if release.suffix == ".mp4":
        write_video(path, frames, release.fps)
    else:
        path.mkdir()
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(path / f"{number:06d}{release.suffix}")
    index = folder / "index.csv"
    size = "256x256" if release.crop else ""
    with index.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [("video_id", "path", "crop", "size"), ("drawn", path.name, release.crop, size)]
        )
    return videos_of_index(index)


def moving_picture(
    num_frames: int, height: int, width: int
) -> UInt8[np.ndarray, "frame height width channel=3"]:
    """A soft pattern that moves by two pixels a frame, with a camera's noise: as much to decode as
    a person before a wall."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / 40.0
    waves = (np.sin(x) * np.cos(y))[..., None] * np.array([60, 50, 40])
    soft = (128 + waves).astype(np.uint8)
    noise = generator.integers(0, 10, (height, width, 3), np.uint8)
    frames = [
        np.roll(soft, 2 * number, axis=1) + np.roll(noise, 31 * number, axis=0)
        for number in range(num_frames)
    ]
    return np.stack(frames)
