"""Measures which share of an extraction's time the network computes, and where the rest goes.

    python benchmarks/model_share.py --videos FOLDER --every 32

Runs ``seds-extract rgb`` and ``seds-extract pose`` with ``--profile`` over every 32nd of the
FOLDER's videos, as many clips and frames of each as published. Weights are random, which costs as
much as others. Reading, computing and writing go on at the same time, so that their seconds
together are more than the run's; the network's share and its two waits are one thread's, and nearly
all of it. Loading costs the same for any number of videos: the last row projects the run, and not
the loading, to all of them.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from extraction_growth import extract, use_threads
from measurement import print_conditions, spread

from extract.videos.listing import find_videos

FIGURES = {
    "model": "the network computed",
    "model_waited_for_frames": "the network had no frames",
    "model_waited_for_store": "the network's rows had to wait for the store",
    "decode_cpu": "processor time of the decoders",
    "prepare": "frames became the network's input",
    "write": "rows were stored",
    "wall": "the whole run",
    "loading": "before it: the network was loaded",
}
"""Names in the profile that the commands print -> what they mean."""

Profile = dict[str, float]


def main() -> None:
    """Prints where the time of both commands went, and the network's share of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=Path, required=True, help="a folder of videos")
    parser.add_argument("--every", type=int, default=32)
    parser.add_argument("--pose-model", default="rtmpose-m")
    parser.add_argument("--backbone", default="i3d")
    parser.add_argument("--decode-workers", type=int, default=2)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    use_threads(options.threads)
    print_conditions(vars(options))
    all_videos = find_videos([str(options.videos)]).videos
    videos = all_videos[:: options.every]
    settings = {
        "rgb": {"backbone": options.backbone, "weights": "random"},
        "pose": {"model": options.pose_model, "checkpoint": "random"},
        "run": {"decode_workers": options.decode_workers},
    }
    turns = [
        {stream: extract(stream, videos, settings, "--profile") for stream in ("rgb", "pose")}
        for _ in range(options.turns)
    ]
    for stream, extraction in turns[0].items():
        counted = extraction.event("summary")
        print(
            f"{stream}: {counted['finished']} videos, {counted['frames']:,} frames, "
            f"{counted['rows']:,} rows\n"
        )
    profiles = {stream: [turn[stream].event("profile") for turn in turns] for stream in turns[0]}
    print_profiles(profiles)
    for number in (len(videos), len(all_videos)):
        print_shares_with_loading(profiles, number, number / len(videos))


def print_profiles(profiles: Mapping[str, Sequence[Profile]]) -> None:
    """One row a figure, two columns a command."""
    titles = [title for stream in profiles for title in (f"{stream}, s", "of the run, %")]
    print("| where the time went | " + " | ".join(titles) + " |")
    print("|---" * (len(titles) + 1) + "|")
    for name, meaning in FIGURES.items():
        cells = []
        for turns in profiles.values():
            cells.append(f"{statistics.median(profile[name] for profile in turns):.2f}")
            cells.append(shares(turns, name, "wall"))
        print(f"| {meaning} | " + " | ".join(cells) + " |")


def print_shares_with_loading(
    profiles: Mapping[str, Sequence[Profile]], number: int, times: float
) -> None:
    """A row of the network's shares of loading and a run that is so many times as long."""
    cells = []
    for turns in profiles.values():
        longer = [turn | {name: times * turn[name] for name in ("model", "wall")} for turn in turns]
        cells += ["", shares(longer, "model", "wall", "loading")]
    title = f"the network computed, of loading and {number:,} videos"
    print(f"| {title} | " + " | ".join(cells) + " |")


def shares(turns: Sequence[Profile], name: str, *wholes: str) -> str:
    """Median percentage of a figure of the sum of others, and its spread over several turns."""
    percentages = [100 * turn[name] / sum(turn[whole] for whole in wholes) for turn in turns]
    of_turns = f" ({spread(percentages)})" if len(turns) > 1 else ""
    return f"{statistics.median(percentages):.1f}{of_turns}"


if __name__ == "__main__":
    main()
