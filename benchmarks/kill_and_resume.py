"""Kills parts of extractions again and again, and compares what they leave with an undisturbed one.

    python benchmarks/kill_and_resume.py rgb demo/corpus/index.csv --kills 50

Each run has two workers. After a random time one of its parts is killed (SIGKILL): the driver, a
worker, a decoder, or the committer, which is the driver at the moment in which it changes the
store. A run that has lost its driver is started again, as is one that ended without what its
decoder was at; a store that is complete is compared, and another one begun. In the end every video
must have equal arrays, and none may have been finished twice.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from seds_core.store.reader import StoreReader

VICTIMS = ("driver", "worker", "decoder", "committer")


def start(stream: str, index: Path, store: Path, log: Path) -> "subprocess.Popen[bytes]":
    """Starts an extraction whose events are appended to a log."""
    program = str(Path(sys.executable).with_name("seds-extract"))
    arguments = ["--pipeline", "demo", "--index", str(index), "--out", str(store), "--json"]
    with log.open("a") as events:
        return subprocess.Popen(
            [program, stream, *arguments, "--devices", "cpu:2"],
            stdout=events, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def events(log: Path, name: str) -> list[dict[str, object]]:
    """The events of one kind that all runs so far have written."""
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.endswith("}"))
    return [event for event in lines if event["event"] == name]


def seconds_per_video(run: "subprocess.Popen[bytes]", log: Path) -> float:
    """Waits for an undisturbed run and gives the time that a video takes."""
    if run.wait() != 0:
        raise SystemExit(f"the undisturbed run ended with {run.returncode}")
    [summary] = events(log, "summary")
    return float(str(summary["seconds"])) / int(str(summary["finished"]))


def children(pid: int) -> list[int]:
    """Workers of a driver, or decoders of a worker."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return [child for child in found if b"spawn_main" in command_line(child)]


def command_line(pid: int) -> bytes:
    """Empty for a process that is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def victim_of(run: "subprocess.Popen[bytes]", victim: str, choice: random.Random) -> int | None:
    """The process to kill; ``None`` where there is none of the kind at present."""
    workers = children(run.pid)
    decoders = [decoder for worker in workers for decoder in children(worker)]
    candidates = {"worker": workers, "decoder": decoders}.get(victim, [run.pid])
    return choice.choice(candidates) if candidates else None


def kill_one(
    run: "subprocess.Popen[bytes]", store: Path, log: Path, pace: float, choice: random.Random
) -> str:
    """Kills a part of a run some time after another video has begun; "" if it was done first."""
    before, root = len(events(log, "started")), store / "zarr.json"
    victim = choice.choice(VICTIMS)
    committed = root.stat().st_mtime_ns if root.exists() else 0
    delay = choice.uniform(0, 2 * pace)
    while run.poll() is None:
        if victim == "committer":
            # Its shards are in place, and its root has just been replaced or is about to be.
            if root.exists() and root.stat().st_mtime_ns != committed:
                break
            time.sleep(0.001)
        elif len(events(log, "started")) > before:
            time.sleep(delay)
            break
        else:
            time.sleep(0.02)
    target = victim_of(run, victim, choice)
    if run.poll() is not None or target is None:
        return ""
    with suppress(ProcessLookupError):
        os.kill(target, signal.SIGKILL)
    if target == run.pid:
        run.wait()
    return victim


def differing_videos(one: Path, other: Path) -> list[str]:
    """Ids of the videos whose table entries or arrays are not equal to the bit."""
    ours, theirs = StoreReader(one), StoreReader(other)
    different = sorted(ours.videos.keys() ^ theirs.videos.keys())
    for video_id in ours.videos.keys() & theirs.videos.keys():
        first, second = (replace(s.videos[video_id], first_row=0) for s in (ours, theirs))
        rows, others = ours.rows(video_id), theirs.rows(video_id)
        # The entry has a checksum of the rows, and these are compared once more as bytes: NaN is
        # not equal to itself.
        if first != second or any(rows[n].tobytes() != others[n].tobytes() for n in rows):
            different.append(video_id)
    return different


def main() -> None:
    """Runs, kills, compares, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stream", choices=["rgb", "pose"])
    parser.add_argument("index", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    choice = random.Random(asked.seed)
    killed: Counter[str] = Counter()
    num_stores = num_twice = 0
    differing: set[str] = set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = folder / "whole.zarr"
        undisturbed = start(asked.stream, asked.index, whole, folder / "whole.log")
        pace = seconds_per_video(undisturbed, folder / "whole.log")
        while killed.total() < asked.kills:
            store, log = folder / f"{num_stores}.zarr", folder / f"{num_stores}.log"
            log.touch()
            run = start(asked.stream, asked.index, store, log)
            while run.poll() != 0:
                if run.poll() is not None:  # its driver, or a decoder of one of its videos, died
                    run = start(asked.stream, asked.index, store, log)
                elif killed.total() < asked.kills:
                    killed.update(filter(None, [kill_one(run, store, log, pace, choice)]))
                else:
                    run.wait()
            num_stores += 1
            finished = Counter(str(event["video_id"]) for event in events(log, "finished"))
            num_twice += sum(count > 1 for count in finished.values())
            differing.update(differing_videos(whole, store))
    victims = ", ".join(f"{count} times the {victim}" for victim, count in sorted(killed.items()))
    print(f"{killed.total()} kills: {victims}; {num_stores} stores completed")
    print(f"videos finished twice: {num_twice}")
    print(f"videos that differ from an undisturbed run: {sorted(differing) or 'none'}")
    if differing or num_twice:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
