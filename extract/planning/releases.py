"""What is published of the size of the three data sets, for those who have not got them yet."""

from collections.abc import Mapping
from dataclasses import dataclass


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
