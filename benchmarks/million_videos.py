"""Measures what one more video costs, against the number of videos that a store holds already.

    python benchmarks/million_videos.py --videos 10000 100000 1000000

A store of every size is really made in a temporary folder (FOLDER needs 0.4 GB), with rows of a few
bytes: what grows is the table. Measured are opening it for reading and for writing, ``info``,
claiming the next video of a list as long as the store, finishing one, packing 64, and claiming
while 2,000 finished videos wait; and the memory of a process that has opened it. All sizes take
turns in one process, the memory is measured in one process each.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from measurement import print_conditions

from extract.inspection.info import describe
from seds_core.store.arrays import StoreArrays
from seds_core.store.failures import failure_columns
from seds_core.store.layout import ENTRY_CHECKSUM, VIDEO_ARRAYS
from seds_core.store.place import place_of
from seds_core.store.provenance import ClipRules, Provenance, TimelineRules, WeightsRecord
from seds_core.store.reader import StoreReader, entry_checksums
from seds_core.store.records import FailedVideo, FinishedVideo, VideoSource
from seds_core.store.writer import StoreWriter

PROVENANCE = Provenance(
    kind="rgb",
    timeline=TimelineRules(max_frames=300),
    rgb=ClipRules(backbone="i3d", clip_length=16, clips="planned", max_clips=64),
    weights=WeightsRecord(name="none", source="here", sha256="0" * 64, is_random=True),
    feature_dim=8,
)
AT_ONCE = 100_000
"""Entries that are appended with one commit."""

NUM_NEW = 64
"""Videos that are claimed, finished and packed in one turn."""

NUM_WAITING = 2_000
NUM_FAILED = 1_000
"""Failures of every store, so that these are no different."""


def name_of(number: int) -> str:
    """An id as long as those of large data sets."""
    return f"corpus-{number % 997:03d}-recording-{number:08d}"


def make_store(path: Path, num_videos: int) -> None:
    """Makes a store of so many videos of one row."""
    arrays = StoreArrays.create(place_of(path), PROVENANCE)
    failures = [FailedVideo.now(f"failed-{n}", "/x.mp4", "it is empty") for n in range(NUM_FAILED)]
    arrays.append({}, {}, failure_columns(failures, 0))
    numeric = [spec for spec in VIDEO_ARRAYS if spec.dtype != "str"]
    for first in range(0, num_videos, AT_ONCE):
        numbers = np.arange(first, min(first + AT_ONCE, num_videos))
        columns = {spec.name: np.zeros(len(numbers), spec.dtype) for spec in numeric}
        columns |= {"first_row": numbers, "num_rows": np.ones(len(numbers), np.int64)}
        columns["duration"] += 3.0
        columns["num_frames"] += 75
        names = list(map(name_of, numbers))
        columns["video_id"] = np.array(names, object)
        columns["path"] = np.array([f"/data/{name}.mp4" for name in names], object)
        columns["content_hash"] = np.array([f"{name:.32}" for name in names], object)
        checksums = entry_checksums({name: values.tolist() for name, values in columns.items()})
        columns[ENTRY_CHECKSUM.name] = np.array(checksums, ENTRY_CHECKSUM.dtype)
        rows = {
            "features": np.zeros((len(numbers), 8), np.float32),
            "first_frame": numbers.astype(np.int32),
            "frame_step": np.ones(len(numbers), np.int32),
        }
        arrays.append({n: [v] for n, v in rows.items()}, {n: [v] for n, v in columns.items()}, {})


def new_video(video_id: str) -> FinishedVideo:
    """A video that the store lacks."""
    source = VideoSource(video_id, f"/{video_id}.mp4", 9, 9, video_id, 75, 1, 25.0, 3.0, 640, 480)
    rows = {
        "features": np.ones((1, 8), np.float32),
        "first_frame": np.zeros(1, np.int32),
        "frame_step": np.ones(1, np.int32),
    }
    return FinishedVideo(source, rows)


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def turn(path: Path, num_videos: int, number: int) -> Iterator[tuple[str, float]]:
    """Name and seconds of every step, for one store."""
    yield "open, to read", timed(lambda: StoreReader(path))
    yield "info", timed(lambda: describe(StoreReader(path)))
    began = time.perf_counter()
    with StoreWriter(path, PROVENANCE) as writer:
        yield "open, to write", time.perf_counter() - began
        # A list as long as the store, of which nothing is done.
        yield (
            "name the wanted",
            timed(lambda: writer.want(f"new-{number}-{n}" for n in range(num_videos))),
        )
        claims, finishes = [], []
        for _ in range(NUM_NEW):
            began = time.perf_counter()
            video_id = writer.claim()
            claims.append(time.perf_counter() - began)
            assert video_id is not None
            video = new_video(video_id)
            finishes.append(timed(lambda video=video: writer.finish(video)))
        yield "claim", statistics.median(claims)
        yield "finish", statistics.median(finishes)
        yield f"pack {NUM_NEW}", timed(writer.pack)
        records = writer.records()
        for waiting in range(NUM_WAITING):
            records.finish(new_video(f"waiting-{number}-{waiting}"))
        claims = [timed(writer.claim) for _ in range(NUM_NEW)]
        yield f"claim, {NUM_WAITING:,} waiting", statistics.median(claims)


MEMORY = """
import sys
from pathlib import Path
from seds_core.store.reader import StoreReader

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

before = pages()
store = StoreReader(sys.argv[1])
print(4096 * (pages() - before))
"""


def memory_of(path: Path) -> float:
    """MB that a process needs to have opened a store."""
    command = [sys.executable, "-c", MEMORY, str(path)]
    return int(subprocess.run(command, check=True, capture_output=True).stdout) / 1e6


def main() -> None:
    """Makes the stores, measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    print_conditions(vars(options))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        paths = {n: Path(folder) / f"{n}.zarr" for n in options.videos}
        for num_videos, path in paths.items():
            seconds = timed(partial(make_store, path, num_videos))
            print(f"made {num_videos:,} videos in {seconds:.1f} s")
        found: dict[str, dict[int, list[float]]] = {}
        for number in range(options.turns):
            for num_videos, path in paths.items():
                for step, seconds in turn(path, num_videos, number):
                    found.setdefault(step, {}).setdefault(num_videos, []).append(seconds)
        print(f"{'milliseconds':24}" + "".join(f"{n:>12,}" for n in paths) + "   last / first")
        for step, of_size in found.items():
            times = [statistics.median(of_size[n]) * 1e3 for n in paths]
            shown = "".join(f"{t:12.2f}" for t in times)
            print(f"{step:24}{shown}{times[-1] / times[0]:15.2f}")
        memory = [memory_of(path) for path in paths.values()]
        print(f"{'MB in memory, opened':24}" + "".join(f"{m:12.1f}" for m in memory))


if __name__ == "__main__":
    main()
