"""Imports made-up published pickles, and compares the stores with the folders of pickles.

    python benchmarks/import_speed.py --videos 31000 --clips 64 --folder /tmp

Beside the import stand the time of writing the pickles and that of copying the first of them, and
beside a video's rows in a store those of its pickle. Everything is made below FOLDER, which needs
15 GB for 31,000 videos, and is deleted at the end. Pickles are read with pickle: they are our own.
"""

import argparse
import os
import pickle
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seds_core.store.reader import StoreReader

PIPELINE = ("--pipeline", "phoenix-2014t", "--fps", "25")
NUM_COPIED = 3_000
NUM_READ = 1_000


@dataclass(frozen=True)
class Made:
    """How the pickle of a video is made, and what imports it."""

    format: str
    content: Callable[[int], dict[str, Any]]


@dataclass(frozen=True)
class Cost:
    """What some work takes, in seconds."""

    elapsed: float
    processor: float
    """Of this process and its children; what other programs do meanwhile matters little."""

    @classmethod
    def of(cls, work: Callable[[], object]) -> "Cost":
        """Does the work."""
        before = sum(os.times()[:4])
        elapsed = seconds(work)
        return cls(elapsed, sum(os.times()[:4]) - before)

    def speed(self, num_bytes: int) -> str:
        """Seconds, and megabytes of the pickles a second."""
        return f"{self.elapsed:.1f} s, {num_bytes / self.elapsed / 1e6:.0f} MB/s"


def main() -> None:
    """Prints one table a kind of store: ours and the pickles side by side."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=int, default=2_000)
    parser.add_argument("--clips", type=int, default=64, help="RGB rows of a video.")
    parser.add_argument("--frames", type=int, default=128, help="Pose rows of a video.")
    parser.add_argument("--folder", type=Path, help="Where the files are made for a while.")
    options = parser.parse_args()
    print(f"{vars(options)}, {os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}\n")
    for kind in (made_features(options.clips), made_keypoints(options.frames)):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            compare(kind, options.videos, Path(folder))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"Peak memory of an import: {peak / 1e9:.2f} GB")


def made_features(num_clips: int) -> Made:
    """Features above zero and of like size, which compress as much as real ones: to 0.8."""
    drawn = np.random.default_rng(0).lognormal(-1.5, 0.6, (8_192 + num_clips, 1024))
    pool = drawn.astype(np.float32)

    def content(number: int) -> dict[str, Any]:
        features = cut(pool, num_clips, number) * np.float32(1 + number / 1e5)
        return {"name": name_of(number), "feature": features}

    return Made("published-features", content)


def made_keypoints(num_frames: int) -> Made:
    """Keypoints anywhere in the image."""
    drawn = np.random.default_rng(0).uniform(0, 1, (8_192 + num_frames, 133, 3))
    pool = (drawn * [210, 260, 1]).astype(np.float32)
    images = [f"images{frame + 1:04}.png" for frame in range(num_frames)]

    def content(number: int) -> dict[str, Any]:
        points = cut(pool, num_frames, number) * np.float32(1 - number / 1e6)
        return {"keypoints": points, "img_list": images}

    return Made("published-keypoints", content)


def cut(pool: np.ndarray, length: int, number: int) -> np.ndarray:
    """A run of rows that depends on the video."""
    first = number * 37 % (len(pool) - length)
    return pool[first : first + length]


def name_of(number: int) -> str:
    """The name of a video."""
    return f"video-{number:06}"


def compare(kind: Made, num_videos: int, folder: Path) -> None:
    """Makes the pickles and the store, measures both and prints the table."""
    pickles, store = folder / "pickles", folder / "store.zarr"
    pickles.mkdir()
    names = [name_of(number) for number in range(num_videos)]

    def write_all() -> None:
        for number, name in enumerate(names):
            (pickles / f"{name}.pkl").write_bytes(pickle.dumps(kind.content(number)))
        os.sync()

    writing = Cost.of(write_all)
    num_bytes = size_of(pickles)
    speed_of_copying = copying_speed(pickles, folder / "copied")
    importing = Cost.of(lambda: import_all(kind.format, pickles, store))
    reader = StoreReader(store)
    check(reader, pickles, names)
    chosen = random.Random(1).choices(names, k=NUM_READ)

    def unpickle(name: str) -> object:
        return pickle.loads((pickles / f"{name}.pkl").read_bytes())

    rows = [
        (f"{kind.format}, {num_videos:,} videos, {num_bytes / 1e9:.2f} GB", "store", "pickles"),
        ("---", "---", "---"),
        ("written", importing.speed(num_bytes), writing.speed(num_bytes)),
        ("copied", "", f"{speed_of_copying / 1e6:.0f} MB/s"),
        ("processor time", f"{importing.processor:.1f} s", f"{writing.processor:.1f} s"),
        ("size", f"{size_of(store) / 1e9:.2f} GB", f"{size_of(pickles) / 1e9:.2f} GB"),
        ("files", f"{len(files_of(store)):,}", f"{len(files_of(pickles)):,}"),
        ("opened", *(f"{t * 1e3:.0f} ms" for t in opening(store, pickles))),
    ]
    for label, forget in (("read, cached", False), ("read, from disk", True)):
        means = []
        for place, read in ((store, reader.rows), (pickles, unpickle)):
            if forget:
                forget_files(place)
            means.append(mean_time(read, chosen))
        rows.append((label, *means))
    print("\n".join(f"| {' | '.join(row)} |" for row in rows), end="\n\n")


def seconds(work: Callable[[], object]) -> float:
    """How long something takes; ``measurement`` loads torch, and so more memory than an import."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def mean_time(read: Callable[[str], object], names: list[str]) -> str:
    """Mean milliseconds of reading a video."""
    return f"{seconds(lambda: [read(name) for name in names]) / len(names) * 1e3:.2f} ms"


def copying_speed(pickles: Path, target: Path) -> float:
    """Bytes a second of copying some of the pickles."""
    target.mkdir()
    copied = files_of(pickles)[:NUM_COPIED]

    def copy_all() -> None:
        for path in copied:
            shutil.copy(path, target)
        os.sync()

    duration = seconds(copy_all)
    num_bytes = size_of(target)
    shutil.rmtree(target)
    return num_bytes / duration


def import_all(format_name: str, pickles: Path, store: Path) -> None:
    """The command, and the disk's work behind it."""
    program = Path(sys.executable).with_name("seds-extract")
    repository = Path(__file__).resolve().parents[1]
    subprocess.run(
        [program, "import", format_name, pickles, "--out", store, *PIPELINE],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=repository,
    )  # fmt: skip
    os.sync()


def check(reader: StoreReader, pickles: Path, names: list[str]) -> None:
    """Every hundredth video must be as it was."""
    for name in names[::100]:
        content = pickle.loads((pickles / f"{name}.pkl").read_bytes())
        rows = reader.rows(name)
        array = "features" if "features" in rows else "keypoints"
        np.testing.assert_array_equal(rows[array], content[array.replace("features", "feature")])


def opening(store: Path, pickles: Path) -> tuple[float, float]:
    """Seconds until the names of all videos are known."""
    return seconds(lambda: StoreReader(store)), seconds(lambda: files_of(pickles))


def files_of(folder: Path) -> list[Path]:
    """All files below a folder, by name."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in files_of(folder))


def forget_files(folder: Path) -> None:
    """Drops a folder's files from the memory of the operating system."""
    for path in files_of(folder):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
