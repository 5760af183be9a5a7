"""Measures how much of plain decoding's speed reaches a network that costs nothing.

    python benchmarks/extraction_feed.py --quick

A card is faster than the processors that decode for it, so what counts is how many frames a second
reach it. One side extracts videos into a store with everything that a run does: decoding in
processes of their own, the hash of every file, the crops, the claims, the records, the packs; only
the network answers with zeros. The other side decodes the same files to arrays with the same
decoder, in as many processes, and does nothing else. Both are bound to the same processors, and are
timed from when their processes have loaded their libraries.

What a network does on its device belongs to the network: pixels to numbers, and for poses of small
frames the crop. Seconds are told in two ways: by the clock, and of the processors, which tell what
both sides cost whoever else is at work on the machine.
"""

import argparse
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from measurement import print_conditions, ratios, spread
from PIL import Image

from extract.demo.corpus import SyntheticCorpus, plan_corpus, render_video
from extract.pose.pose_stream import PoseEstimator, PoseStream
from extract.rgb.rgb_stream import RgbPiece, RgbStream
from extract.run.desk import StoreDesk
from extract.run.loop import extract_videos
from extract.run.profile import RunProfile
from extract.run.report import RunReport
from extract.run.streams import load_stream
from extract.settings import ExtractSettings
from extract.stream import Rows, Stream
from extract.videos.decode_pool import DecodePool
from extract.videos.decode_worker import keep_freed_memory
from extract.videos.frame import Frame
from extract.videos.frame_folder import image_files
from extract.videos.listing import ListedVideo, find_videos
from extract.videos.video_writing import write_video
from seds_core.console import progress_bar
from seds_core.keypoints import missing_keypoints
from seds_core.store.writer import StoreWriter

DIFFERENT_VIDEOS = 4
"""Drawn for a corpus; the rest are copies of them under other names."""

STREAMS = ("rgb", "pose")


@dataclass(frozen=True)
class Corpus:
    """Videos of one kind."""

    name: str
    size: tuple[int, int]
    """Width and height of their frames."""
    suffix: str
    """Of the files, or of the images in a folder."""
    times: int = 1
    """Videos for each that is asked for, where they decode fast: a run opens and closes its store
    once, however many videos it has, and a turn of a second would tell little else."""


CORPORA = (
    Corpus("mp4, 256 x 256", (256, 256), ".mp4", times=5),
    Corpus("mp4, 1280 x 720", (1280, 720), ".mp4"),
    Corpus("PNG, 210 x 260", (210, 260), ".png"),
    Corpus("JPEG, 512 x 512", (512, 512), ".jpg"),
)
"""Videos as they are shared, as cameras record them, PHOENIX-2014T, and CSL-Daily."""


@dataclass(frozen=True)
class Cost:
    """What one side took for all videos."""

    wall: float
    """Seconds."""
    processors: float
    """Seconds of all of its processes together."""


def main() -> None:
    """Prints one row for each kind of videos, stream, and number of processors."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=int, default=100, help="more where they are short")
    parser.add_argument("--frames", type=int, default=120, help="of a video; a sentence of 5 s")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--cores", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--only", default="", help="only kinds of videos whose name begins so")
    parser.add_argument("--quick", action="store_true", help="30 videos, 2 turns")
    options = parser.parse_args()
    if options.quick:
        options.videos, options.turns = 30, 2
    print_conditions(vars(options))
    titles = ("videos", "stream", "cores", "frames/s", "of plain, by the clock", "turn by turn",
              "of plain, by processor time", "turn by turn")  # fmt: skip
    print("| " + " | ".join(titles) + " |")
    print("|---" * len(titles) + "|")
    with tempfile.TemporaryDirectory() as name:
        for corpus in CORPORA:
            if not corpus.name.startswith(options.only):
                continue
            folder = Path(name) / corpus.name
            count = options.videos * corpus.times
            make_corpus(corpus, folder, count, options.frames)
            for cores in options.cores:
                for stream in STREAMS:
                    fed, plain = take_turns(folder, stream, cores, options.turns)
                    print_row(corpus.name, stream, cores, count * options.frames, fed, plain)


def print_row(
    name: str, stream: str, cores: int, num_frames: int, fed: Sequence[Cost], plain: Sequence[Cost]
) -> None:
    """One row of the table."""
    cells = [name, stream, str(cores)]
    cells.append(f"{num_frames / statistics.median(cost.wall for cost in fed):,.0f}")
    for seconds in (lambda cost: cost.wall, lambda cost: cost.processors):
        found = ratios([seconds(cost) for cost in plain], [seconds(cost) for cost in fed])
        cells += [f"{statistics.median(found):.2f}", spread(found)]
    print("| " + " | ".join(cells) + " |", flush=True)


def make_corpus(corpus: Corpus, folder: Path, count: int, num_frames: int) -> None:
    """Draws signers, and copies their videos."""
    folder.mkdir()
    is_file = corpus.suffix == ".mp4"
    made: list[Path] = []
    for number in range(count):
        path = folder / f"video{number:04d}{corpus.suffix if is_file else ''}"
        if number >= DIFFERENT_VIDEOS:
            (shutil.copy if is_file else shutil.copytree)(made[number % DIFFERENT_VIDEOS], path)
            continue
        made.append(path)
        frames = signed_frames(number, corpus.size, num_frames)
        if is_file:
            write_video(path, frames, 25.0, quality=23)
            continue
        path.mkdir()
        for place, frame in enumerate(frames):
            Image.fromarray(frame).save(path / f"images{place:04d}{corpus.suffix}")


def signed_frames(number: int, size: tuple[int, int], count: int) -> list[Frame]:
    """A drawn sentence, forth and back until there are enough frames."""
    planned = plan_corpus(SyntheticCorpus(num_sentences=DIFFERENT_VIDEOS))[number]
    pictures, _ = render_video(replace(planned, side=min(size) // 2 * 2))
    forth_and_back = [*pictures, *pictures[-2:0:-1]]
    return [cv2.resize(forth_and_back[place % len(forth_and_back)], size) for place in range(count)]


def take_turns(folder: Path, stream: str, cores: int, turns: int) -> tuple[list[Cost], list[Cost]]:
    """Costs of both sides, who take turns on the same processors; the first turn is not counted."""
    fed: list[Cost] = []
    plain: list[Cost] = []
    with feeding(folder, stream, cores) as feed, decoding(folder, cores) as decode:
        feed(), decode()
        for turn in range(turns):
            sides = [(feed, fed), (decode, plain)]
            for side, costs in sides if turn % 2 else reversed(sides):
                costs.append(side())
    return fed, plain


def bind(cores: int) -> None:
    """Binds this process, and those that it starts, to so many processors."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    torch.set_num_threads(1)


@contextmanager
def partners(target: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """Starts processes; gives a function that has all of them do a turn."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        connections = []
        for given in arguments:
            ours, theirs = context.Pipe()
            process = context.Process(target=target, args=(theirs, *given))
            process.start()
            # Else a process that fails would be waited for without end.
            theirs.close()
            stack.callback(process.join)
            stack.callback(ours.send, None)  # sent before it is waited for
            connections.append(ours)

        def turn() -> Cost:
            for connection in connections:
                assert connection.recv() == "ready"
            began = time.perf_counter()
            for connection in connections:
                connection.send("go")
            processors = sum(connection.recv() for connection in connections)
            return Cost(time.perf_counter() - began, processors)

        yield turn
        for connection in connections:
            assert connection.recv() == "ready"


def feeding(folder: Path, stream: str, cores: int) -> Any:  # noqa: ANN401 - a context manager
    """The run."""
    return partners(feed_in_turns, [(folder, stream, cores)])


def decoding(folder: Path, cores: int) -> Any:  # noqa: ANN401
    """Plain decoding, in as many processes as there are processors."""
    return partners(decode_in_turns, [(folder, share, cores) for share in range(cores)])


def feed_in_turns(connection: Connection, folder: Path, kind: str, cores: int) -> None:
    """Extracts all videos of a folder whenever it is told to."""
    bind(cores)
    videos = find_videos([str(folder)]).videos
    settings = ExtractSettings.model_validate(
        {
            "run": {"decode_workers": cores},
            "rgb": {"weights": "random"},
            "pose": {"checkpoint": "random"},
        }
    )
    stream = free_stream(kind, settings)
    with DecodePool(cores) as pool:
        connection.send("ready")
        while connection.recv() == "go":
            began = processor_seconds()
            extract_all(videos, stream, pool, settings)
            connection.send(processor_seconds() - began)
            connection.send("ready")


def extract_all(
    videos: Sequence[ListedVideo], stream: Stream, pool: DecodePool, settings: ExtractSettings
) -> None:
    """A run without the loading of libraries and of the network."""
    with tempfile.TemporaryDirectory() as name, progress_bar() as progress:
        report = RunReport(
            progress, progress.add_task("", total=len(videos), rates=""), 0, as_json=False
        )
        with StoreWriter(Path(name) / "store.zarr", stream.provenance) as writer:
            desk = StoreDesk(videos, writer, report)
            extract_videos(desk, stream, pool, settings.frames, RunProfile(len(videos)))
        assert report.num_finished == len(videos)


def free_stream(kind: str, settings: ExtractSettings) -> Stream:
    """A stream as users have it, but for its network, which answers with zeros."""
    stream = load_stream(kind, settings, "cpu")
    if isinstance(stream, RgbStream):
        return FreeRgb(stream.backbone, settings)
    assert isinstance(stream, PoseStream)
    return replace(stream, estimator=FreeEstimator(stream.estimator))


class FreeRgb(RgbStream):
    """Features cost nothing."""

    def rows(self, pieces: Sequence[RgbPiece]) -> list[Rows]:
        """Zeros."""
        return [
            {
                "features": np.zeros(
                    (len(piece.clips.starts), self.backbone.feature_dim), np.float32
                ),
                **piece.row_frames,
            }
            for piece in pieces
        ]


class FreeEstimator:
    """Keypoints cost nothing."""

    def __init__(self, estimator: PoseEstimator) -> None:
        self.start_video = estimator.start_video
        self.crop = estimator.crop
        self.prepared = estimator.prepared

    def keypoints(self, prepared: Sequence[Any]) -> np.ndarray:
        """None found."""
        return missing_keypoints(len(prepared))


def decode_in_turns(connection: Connection, folder: Path, share: int, cores: int) -> None:
    """Decodes a share of a folder's videos whenever it is told to."""
    bind(cores)
    keep_freed_memory()
    paths = [video.path for video in find_videos([str(folder)]).videos][share::cores]
    connection.send("ready")
    while connection.recv() == "go":
        began = processor_seconds()
        for path in paths:
            for _ in decoded_images(path) if path.is_dir() else decoded_frames(path):
                pass
        connection.send(processor_seconds() - began)
        connection.send("ready")


def decoded_frames(path: Path) -> Iterator[Frame]:
    """The frames of a file, by PyAV, in one thread, as a script has them that does it well."""
    convert = VideoReformatter()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            yield convert.reformat(frame, format="rgb24", threads=1).to_ndarray()


def decoded_images(folder: Path) -> Iterator[Frame]:
    """The images of a folder, by Pillow."""
    for path in image_files(folder):
        with Image.open(path) as image:
            yield np.asarray(image.convert("RGB"))


def processor_seconds() -> float:
    """Of this process and of its children that are alive."""
    seconds = time.process_time()
    for child in multiprocessing.active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


if __name__ == "__main__":
    main()
