"""Extracts poses by one worker and by two, on this machine and on a local Ray cluster.

    python benchmarks/many_workers.py --videos shared/realsigns/tid --count 400

A worker has a processor: its network, its decoder and its writing share it, and the driver sits
beside the first. The ways take turns in one run of this script. Then ``--tiny`` videos go through
two workers without a network, and the driver's memory is read while they do.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kill_and_resume import differing_videos
from measurement import print_conditions

from seds_core.dataset_index import IndexedVideo, read_index, write_index

TESTS = Path(__file__).resolve().parents[1] / "tests"


@dataclass
class Memory:
    """What a command's processes occupy, in MB, sampled while it runs."""

    driver: list[float] = field(default_factory=list)
    """Its resident set. What it shares counts whole: by shares it would seem to grow when the
    workers end."""
    together: list[float] = field(default_factory=list)
    """Of all processes; pages that they share count once."""

    def watch(self, driver: int, is_over: threading.Event) -> None:
        """Samples twice a second until the run is over."""
        while not is_over.wait(0.5):
            self.driver.append(megabytes([driver], "Rss"))
            self.together.append(megabytes(with_descendants(driver), "Pss"))


def with_descendants(pid: int) -> list[int]:
    """A process and all that it has started, and so on."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in task.read_text().split():
                found += with_descendants(int(child))
        except OSError:
            continue  # it has ended meanwhile
    return found


def megabytes(processes: list[int], size: str) -> float:
    """The sum of a size that Linux tells of each: ``Rss``, or ``Pss`` for its share of pages."""
    total = 0
    for pid in processes:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith(f"{size}:"))
    return total / 1024


def run(command: list[str], processors: str) -> tuple[dict[str, object], Memory]:
    """The summary of a run on some processors, and the memory that it took."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    process = subprocess.Popen(
        ["taskset", "-c", processors, *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    memory, is_over = Memory(), threading.Event()
    watching = threading.Thread(target=memory.watch, args=(process.pid, is_over))
    watching.start()
    printed, messages = process.communicate()
    is_over.set()
    watching.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{messages}")
    return json.loads(printed.splitlines()[-1]), memory


def pose_command(index: Path, store: Path, pipelines: Path, *options: str) -> list[str]:
    """A run of ``seds-extract pose`` with the demo's model."""
    program = str(Path(sys.executable).with_name("seds-extract"))
    return [
        program, "pose", "--pipeline", "workers", "--pipelines", str(pipelines), "--json",
        "--index", str(index), "--out", str(store), *options,
    ]  # fmt: skip


@dataclass
class Comparison:
    """Ways to extract the same videos, each compared with the first."""

    folder: Path
    index: Path
    seconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    """Memory of the first way."""
    all_same: bool = True
    """Whether every way has made the same store."""

    def begin(self) -> None:
        """Prints the head of the table."""
        (self.folder / "workers.yaml").write_text(
            "pipelines: {workers: {extract: {frames: {max_frames: 16}, pose: {model: demo}, "
            "run: {decode_workers: 1}}}}"
        )
        print("| way | seconds | times the first | driver, peak MB | all, peak MB | different |")
        print("|---|---|---|---|---|---|")

    def add(self, name: str, processors: str, *options: str) -> None:
        """Measures another way, and prints its row."""
        store = self.folder / f"{len(self.seconds)}.zarr"
        command = pose_command(self.index, store, self.folder / "workers.yaml", *options)
        summary, memory = run(command, processors)
        self.seconds.append(float(str(summary["seconds"])))
        different = differing_videos(self.folder / "0.zarr", store)
        self.all_same = self.all_same and not different
        self.peak_mb = self.peak_mb or max(memory.together)
        print(
            f"| {name} | {self.seconds[-1]:.1f} | {self.seconds[0] / self.seconds[-1]:.2f} "
            f"| {max(memory.driver):.0f} | {max(memory.together):.0f} "
            f"({max(memory.together) / self.peak_mb:.2f}) | {len(different)} |",
            flush=True,
        )


@contextmanager
def cluster_of_two_nodes() -> Iterator[str]:
    """The address of a Ray cluster whose nodes have a processor each."""
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 80 << 20}
    head = {"num_cpus": 0, "include_dashboard": False, **small}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, **small)
        yield cluster.address
    finally:
        cluster.shutdown()


def tiny_videos(folder: Path, video: Path, count: int) -> None:
    """Prints the driver's memory in quarters of a run over many videos without a network."""
    index = folder / "tiny.csv"
    with index.open("w", newline="") as file:
        rows = ((f"tiny{number:06}", video.resolve()) for number in range(count))
        csv.writer(file).writerows([("video_id", "path"), *rows])
    command = [sys.executable, str(TESTS / "mean_stream.py"), str(folder / "tiny.zarr"), str(index)]
    os.environ["PYTHONPATH"] = f"{TESTS.parent}{os.pathsep}{TESTS}"
    began = time.monotonic()
    summary, memory = run([*command, "--devices", "cpu:2"], "0,1")
    quarter = max(1, len(memory.driver) // 4)
    print(
        f"\n{summary['finished']} videos in {time.monotonic() - began:.0f} s; the driver's memory "
        f"after each quarter: {', '.join(f'{mb:.0f} MB' for mb in memory.driver[quarter::quarter])}"
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=Path, required=True, help="folder with an index.csv")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--tiny", type=int, default=10_000)
    parser.add_argument("--without-ray", action="store_true")
    parser.add_argument("--quick", action="store_true", help="16 videos and 200 tiny ones")
    asked = parser.parse_args()
    count, tiny = (16, 200) if asked.quick else (asked.count, asked.tiny)
    print_conditions({"videos": count, "tiny": tiny})
    videos: list[IndexedVideo] = read_index(asked.videos / "index.csv")[:count]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        index = folder / "index.csv"
        write_index(index, videos)
        comparison = Comparison(folder, index)
        comparison.begin()
        comparison.add("cpu:1", "0", "--devices", "cpu:1")
        comparison.add("cpu:2", "0,1", "--devices", "cpu:2")
        if not asked.without_ray:
            # Only now: its daemons would take their share from the others.
            with cluster_of_two_nodes() as address:
                on_ray = ("--engine", "ray", "--address", address, "--cpus-per-worker", "1")
                comparison.add("Ray, 2 nodes", "0,1", *on_ray)
        tiny_videos(folder, videos[0].path, tiny)
    if not comparison.all_same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
