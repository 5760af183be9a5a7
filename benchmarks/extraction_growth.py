"""Measures the time of an extraction against the number of its videos: it must be linear.

    python benchmarks/extraction_growth.py --videos FOLDER --counts 50 500 2000

Each run is a command of its own on some of the FOLDER's videos, spread evenly over its list, so
that those of all runs are about as long. What grows should be the pipeline and not the network, and
therefore the networks cost little: for pose, the demo's network with a third of its channels on
64 x 64 pixels, and at most 16 frames a video; for RGB, one clip a video, which still costs so much
on a CPU that it has counts of its own.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from measurement import print_conditions

from extract.videos.listing import ListedVideo, find_videos

PIPELINE = "measured"
SMALL_INPUT = (64, 64)
SMALL_WIDTH = 0.125
"""Of the backbone's channels; the demo's network has 0.375."""


@dataclass(frozen=True)
class Extraction:
    """A finished ``seds-extract rgb`` or ``pose``."""

    wall: float
    """Seconds of the whole command, with the imports and the loading of the network."""
    events: list[dict[str, Any]]

    def event(self, name: str) -> dict[str, Any]:
        """The only event of a kind."""
        [found] = [event for event in self.events if event["event"] == name]
        return found


def extract(
    stream: str, videos: Sequence[ListedVideo], settings: Mapping[str, object], *more: str
) -> Extraction:
    """Extracts videos into a store that is then forgotten; ends the benchmark if any fails."""
    program = str(Path(sys.executable).with_name("seds-extract"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipelines = folder / "pipelines.yaml"
        content = {"pipelines": {PIPELINE: {"extract": settings}}}
        pipelines.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
        write_index(folder / "index.csv", videos)
        files = ["--index", str(folder / "index.csv"), "--out", str(folder / "store.zarr")]
        chosen = ["--pipelines", str(pipelines), "--pipeline", PIPELINE, "--json"]
        start = time.perf_counter()
        run = subprocess.run(
            [program, stream, *files, *chosen, *more], capture_output=True, text=True, check=False
        )
        wall = time.perf_counter() - start
    events = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode or sum(event["event"] == "finished" for event in events) != len(videos):
        raise SystemExit(f"seds-extract {stream} ended with {run.returncode}: {run.stderr[-2000:]}")
    return Extraction(wall, events)


def write_index(path: Path, videos: Sequence[ListedVideo]) -> None:
    """Ids and paths, as the commands read them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["video_id", "path"])
        lines.writerows((video.video_id, video.path.resolve()) for video in videos)


def main() -> None:
    """Prints one row a run, stream by stream."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=Path, required=True, help="a folder of short videos")
    parser.add_argument("--counts", type=int, nargs="*", default=[50, 500, 2_000])
    parser.add_argument("--rgb-counts", type=int, nargs="*", default=[50, 200])
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    use_threads(options.threads)
    print_conditions(vars(options))
    videos = find_videos([str(options.videos)]).videos
    with tempfile.TemporaryDirectory() as name:
        network = small_network(Path(name) / "small.py")
        run = {"decode_workers": 2}
        pose = {"model": str(network), "checkpoint": "random"}
        streams = {
            "pose": (options.counts, {"frames": {"max_frames": 16}, "pose": pose, "run": run}),
            "rgb": (options.rgb_counts, {"rgb": {"weights": "random", "max_clips": 1}, "run": run}),
        }
        for stream, (counts, settings) in streams.items():
            if not counts:
                continue
            samples = [evenly_chosen(videos, count) for count in counts]
            runs = [
                [extract(stream, sample, settings) for sample in samples]
                for _ in range(options.turns)
            ]
            print_growth(stream, runs)


def use_threads(threads: int) -> None:
    """The threads of this process and of those that it starts."""
    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)


def small_network(path: Path) -> Path:
    """Writes the demo's pose network, made smaller, as a configuration for random weights."""
    from mmengine.config import Config

    from extract.pose.provenance import DEMO, find_model

    settings = Config.fromfile(find_model(DEMO).config).to_dict()
    model = settings["model"]
    for part in (settings["codec"], model["head"], model["head"]["decoder"]):
        part["input_size"] = SMALL_INPUT
    for loader in ("train_dataloader", "test_dataloader"):
        for step in settings[loader]["dataset"]["pipeline"]:
            if "input_size" in step:
                step["input_size"] = SMALL_INPUT
    model["backbone"]["widen_factor"] = SMALL_WIDTH
    model["head"]["in_channels"] = int(1024 * SMALL_WIDTH)
    model["head"]["in_featuremap_size"] = tuple(side // 32 for side in SMALL_INPUT)
    Config(settings).dump(path)
    return path


def evenly_chosen(videos: Sequence[ListedVideo], count: int) -> list[ListedVideo]:
    """So many videos, spread over the list; all where there are fewer."""
    count = min(count, len(videos))
    return [videos[place * len(videos) // count] for place in range(count)]


def print_growth(stream: str, turns: Sequence[Sequence[Extraction]]) -> None:
    """Costs of each count of videos, and of a video more than the count before.

    The run is what follows the loading of the network. A further video leaves out what every run
    pays once, as the start of the decoders, which few videos share.
    """
    titles = ["videos", "frames", "rows", "command s", "run s", "ms a video", "times the first's"]
    print("| " + " | ".join([f"{stream}: {titles[0]}", *titles[1:], "ms a further video"]) + " |")
    print("|---" * (len(titles) + 1) + "|")
    counted: list[tuple[int, float]] = []
    for place in range(len(turns[0])):
        summaries = [turn[place].event("summary") for turn in turns]
        number = summaries[0]["finished"]
        seconds = statistics.median(summary["seconds"] for summary in summaries)
        counted.append((number, seconds))
        ratio = (seconds / number) / (counted[0][1] / counted[0][0])
        cells = [
            f"{number:,}",
            f"{summaries[0]['frames']:,}",
            f"{summaries[0]['rows']:,}",
            f"{statistics.median(turn[place].wall for turn in turns):.1f}",
            f"{seconds:.1f}",
            f"{1e3 * seconds / number:.1f}",
            f"{ratio:.2f}",
            further(counted[-2:]),
        ]
        print("| " + " | ".join(cells) + " |", flush=True)
    print()


def further(counted: Sequence[tuple[int, float]]) -> str:
    """Milliseconds of each video by which the second run is longer than the first."""
    if len(counted) < 2 or counted[0][0] == counted[1][0]:
        return ""
    (fewer, first), (more, second) = counted
    return f"{1e3 * (second - first) / (more - fewer):.1f}"


if __name__ == "__main__":
    main()
