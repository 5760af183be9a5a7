"""Kills an extraction again and again, and compares what it leaves with an undisturbed one.

    python benchmarks/kill_and_resume.py rgb demo/corpus/index.csv --kills 20

Each run is killed (SIGKILL) a random time after it has begun to work, between nothing and twice
what a video takes, and then started again. In the end every array must be equal, and no video may
have been finished twice.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from seds_core.store.reader import StoreReader


def start(stream: str, index: Path, store: Path, log: Path) -> "subprocess.Popen[bytes]":
    """Starts an extraction whose events are appended to a log."""
    program = str(Path(sys.executable).with_name("seds-extract"))
    arguments = ["--pipeline", "demo", "--index", str(index), "--out", str(store), "--json"]
    with log.open("a") as events:
        return subprocess.Popen(
            [program, stream, *arguments], stdout=events, stderr=subprocess.DEVNULL
        )


def events(log: Path, name: str) -> list[dict[str, object]]:
    """The events of one kind that all runs so far have written."""
    lines = (json.loads(line) for line in log.read_text().splitlines())
    return [event for event in lines if event["event"] == name]


def seconds_per_video(run: "subprocess.Popen[bytes]", log: Path) -> float:
    """Waits for an undisturbed run and gives the time that a video takes."""
    if run.wait() != 0:
        raise SystemExit(f"the undisturbed run ended with {run.returncode}")
    [summary] = events(log, "summary")
    return float(str(summary["seconds"])) / int(str(summary["finished"]))


def kill_in_the_middle(run: "subprocess.Popen[bytes]", log: Path, delay: float) -> bool:
    """Kills a run ``delay`` seconds after its first video has begun; False if it was done first."""
    before = len(events(log, "started"))
    while run.poll() is None and len(events(log, "started")) == before:
        time.sleep(0.02)
    time.sleep(delay)
    run.kill()
    return run.wait() != 0


def differing_arrays(one: StoreReader, other: StoreReader) -> list[str]:
    """Names of the arrays of two stores that are not equal."""
    names = [
        spec.name
        for spec in one.arrays.row_specs
        if not np.array_equal(
            one.arrays.read_rows(spec.name, 0, one.num_rows),
            other.arrays.read_rows(spec.name, 0, other.num_rows),
            equal_nan=spec.dtype.startswith("float"),
        )
    ]
    tables = [list(store.videos.values()) for store in (one, other)]
    return names if tables[0] == tables[1] else [*names, "videos"]


def main() -> None:
    """Runs, kills, compares, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stream", choices=["rgb", "pose"])
    parser.add_argument("index", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, killed, log = folder / "whole.zarr", folder / "killed.zarr", folder / "killed.log"
        undisturbed = start(arguments.stream, arguments.index, whole, folder / "whole.log")
        pace = seconds_per_video(undisturbed, folder / "whole.log")
        kills = sum(
            kill_in_the_middle(
                start(arguments.stream, arguments.index, killed, log),
                log,
                moments.uniform(0, 2 * pace),
            )
            for _ in range(arguments.kills)
        )
        code = start(arguments.stream, arguments.index, killed, log).wait()
        finished = Counter(str(event["video_id"]) for event in events(log, "finished"))
        differing = differing_arrays(StoreReader(whole), StoreReader(killed))
        print(f"{kills} runs killed, the last one ended with {code}")
        print(f"videos: {len(StoreReader(killed).videos)}, finished twice: ", end="")
        print(sum(count > 1 for count in finished.values()))
        print(f"arrays that differ from an undisturbed run: {differing or 'none'}")
        if differing or code or max(finished.values(), default=0) > 1:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
