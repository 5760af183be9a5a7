"""Extracts into a bucket, cuts its connections, and reads it as training does.

    python benchmarks/bucket_stores.py --videos 24 --cuts 50

A server that speaks S3 (moto, of the tests) runs on this machine, behind a proxy that counts
requests and cuts connections at random. Small videos are extracted with a stream that needs no
network, by ``seds-extract``'s own command: onto a disk, into the bucket, and into the bucket while
connections are cut. All stores must be equal, array by array. Then rows of single videos are read,
in random order: by this project's reader over obstore, with its local cache, and by Zarr over
obstore and over fsspec (s3fs). Seconds are those of this server and tell the ways apart, not what a
real bucket takes; requests are the same with any.
"""

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from measurement import print_conditions, seconds_of
from zarr.storage import FsspecStore, ObjectStore

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from bucket_server import CREDENTIALS, CuttingProxy, bucket_server, make_bucket

from extract.inspection.verify import verify_store
from extract.videos.video_writing import write_video
from seds_core.store.block_cache import BlockCache
from seds_core.store.reader import StoreReader

STREAM = Path(__file__).resolve().parents[1] / "tests" / "mean_stream.py"


def main() -> None:
    """Prints what extracting, verifying and reading cost in a bucket."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--videos", type=int, default=24)
    parser.add_argument("--cuts", type=int, default=50)
    options = parser.parse_args()
    print_conditions(vars(options))
    with tempfile.TemporaryDirectory() as folder, serving() as proxy:
        index = write_corpus(Path(folder), options.videos)
        disk = str(Path(folder) / "disk.zarr")
        print(
            "| step | seconds | seconds a video | requests a video | cut |\n|---|---|---|---|---|"
        )
        per_video = Counted(proxy, options.videos)
        per_video("extract onto the disk", lambda: extract(disk, index))
        per_video("extract into the bucket", lambda: extract(url("whole"), index))
        per_video("the same command again", lambda: extract(url("whole"), index))
        per_video("verify", lambda: refuse_problems(url("whole")))
        proxy.cuts_left, proxy.share = options.cuts, 0.1
        per_video("extract while connections are cut", lambda: extract(url("cut"), index))
        while proxy.cuts_left > 0:  # until all are used up
            per_video("verify while connections are cut", lambda: refuse_problems(url("cut")))
        for name in ("whole", "cut"):
            refuse_differences(StoreReader(disk), StoreReader(url(name)))
        print("\nall three stores are equal, array by array\n")
        compare_ways_of_reading(Path(folder), proxy)


def url(name: str) -> str:
    """Where a store of the benchmark lies."""
    return f"s3://benchmark/{name}/rgb.zarr"


@contextmanager
def serving() -> Iterator[CuttingProxy]:
    """A bucket, and an environment that leads to it."""
    with bucket_server() as address:
        make_bucket(address, "benchmark")
        proxy = CuttingProxy(address)
        os.environ.update(CREDENTIALS | {"AWS_ENDPOINT_URL": proxy.address})
        yield proxy
        proxy.close()


class Counted:
    """Prints a line for everything that is done."""

    def __init__(self, proxy: CuttingProxy, num_videos: int) -> None:
        self._proxy, self._num_videos = proxy, num_videos

    def __call__(self, name: str, action: Callable[[], object]) -> None:
        """Does it."""
        requests, cut = self._proxy.num_requests, self._proxy.num_cut
        seconds = seconds_of(action)
        requests, cut = self._proxy.num_requests - requests, self._proxy.num_cut - cut
        each = f"{seconds / self._num_videos:.3f} | {requests / self._num_videos:.1f}"
        print(f"| {name} | {seconds:.1f} | {each} | {cut} |", flush=True)


def write_corpus(folder: Path, num_videos: int) -> Path:
    """Small videos of noise, and their index."""
    lines = [("video_id", "path")]
    for number in range(num_videos):
        path = folder / f"video{number}.mp4"
        coarse = np.random.default_rng(number).integers(0, 255, (20 + number, 6, 8, 3), np.uint8)
        write_video(path, coarse.repeat(8, axis=1).repeat(8, axis=2), 25.0)
        lines.append((path.stem, str(path)))
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return folder / "index.csv"


def extract(store: str, index: Path) -> None:
    """Runs the command in a process of its own."""
    command = [sys.executable, str(STREAM), store, str(index)]
    # The log of a run into a bucket lies in the working folder.
    done = subprocess.run(command, capture_output=True, text=True, cwd=index.parent)
    if done.returncode:
        raise SystemExit(f"{done.stderr}\nthe extraction into {store} failed")


def refuse_problems(store: str) -> None:
    """Ends the program where a store is not what was written."""
    if problems := verify_store(store).problems:
        raise SystemExit(f"{store}: {problems}")


def refuse_differences(first: StoreReader, second: StoreReader) -> None:
    """Ends the program where two stores differ."""
    if sorted(first.videos) != sorted(second.videos):
        raise SystemExit(f"{first.url} and {second.url} hold other videos")
    for video_id in first.videos:
        rows = second.rows(video_id)
        for name, values in first.rows(video_id).items():
            if not np.array_equal(values, rows[name]):
                raise SystemExit(f"{first.url} and {second.url} differ in {name} of {video_id}")


def compare_ways_of_reading(folder: Path, proxy: CuttingProxy) -> None:
    """Reads all videos' features, in the same random order, in every way."""
    store = StoreReader(url("whole"))
    runs = [entry.rows for entry in store.videos.values()]
    random.Random(0).shuffle(runs)
    cached = StoreReader(url("whole"))
    place = cached.place.with_cache(BlockCache(folder / "blocks", 2**30))
    files = cached.arrays.files.opened("rows", "features")
    assert files is not None
    files.place = place

    def ours(reader: StoreReader) -> Callable[[slice], Any]:
        return lambda rows: reader.arrays.read_rows("features", rows.start, rows.stop)

    features = f"{url('whole')}/rows/features"
    over_obstore = zarr.open_array(store.place.zarr_store("rows/features"), mode="r")
    over_fsspec = zarr.open_array(FsspecStore.from_url(features, read_only=True), mode="r")
    assert isinstance(over_obstore.store, ObjectStore)
    ways: dict[str, Callable[[slice], Any]] = {
        "this reader over obstore": ours(store),
        "this reader over obstore, first epoch with the cache": ours(cached),
        "this reader over obstore, second epoch with the cache": ours(cached),
        "Zarr over obstore": lambda rows: over_obstore[rows],
        "Zarr over fsspec (s3fs)": lambda rows: over_fsspec[rows],
    }
    print("| features of single videos | ms a video | requests a video |\n|---|---|---|")
    expected = [ours(store)(rows) for rows in runs]
    for name, read in ways.items():
        before = proxy.num_requests
        found: list[Any] = []
        seconds = seconds_of(lambda read=read, found=found: found.extend(map(read, runs)))
        if not all(map(np.array_equal, expected, found)):
            raise SystemExit(f"{name} reads other rows")
        requests = (proxy.num_requests - before) / len(runs)
        print(f"| {name} | {1e3 * seconds / len(runs):.1f} | {requests:.2f} |", flush=True)


if __name__ == "__main__":
    main()
