"""Measures opening a store, and reading one of its videos, against the number of its videos.

    python benchmarks/store_growth.py --videos 500 5000 50000

A store of every size is made in a temporary folder (FOLDER needs 0.9 GB for 50,000 videos of four
clips). Opening is what training, ``info`` and every other reader begin with; the videos that are
read are drawn at random, the same share of the way into every store, and are compared with what was
written. Stores of all sizes take turns in one process, and their files are in the operating
system's memory: what is measured is what the program does, not the disk.
"""

import argparse
import random
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measurement import print_conditions, ratios, seconds_of, spread, take_turns

from seds_core.store.arrays import StoreArrays
from seds_core.store.layout import VIDEO_ARRAYS
from seds_core.store.place import place_of
from seds_core.store.provenance import ClipRules, Provenance, TimelineRules, WeightsRecord
from seds_core.store.reader import StoreReader
from seds_core.store.records import FinishedVideo, VideoSource
from seds_core.store.writer import BulkWriter

RGB_DIM = 1024
NUM_READ = 200
"""Videos that are read in one turn."""


@dataclass(frozen=True)
class Store:
    """A store of made-up videos."""

    path: Path
    num_videos: int
    num_clips: int

    def write(self) -> None:
        """Makes it."""
        provenance = Provenance(
            kind="rgb",
            timeline=TimelineRules(max_frames=300, folder_fps=25.0),
            rgb=ClipRules(clip_length=16, clips="planned", max_clips=self.num_clips),
            weights=WeightsRecord(name="none", source="here", sha256="0" * 64, is_random=True),
            feature_dim=RGB_DIM,
        )
        with BulkWriter(self.path, provenance) as writer:
            for number in range(self.num_videos):
                writer.add(FinishedVideo(made_source(number), self.rows(number)))

    def rows(self, number: int) -> dict[str, np.ndarray]:
        """The rows of one video, which no other equals."""
        generator = np.random.default_rng(number)
        return {
            "features": generator.normal(size=(self.num_clips, RGB_DIM)).astype(np.float32),
            "first_frame": np.arange(self.num_clips, dtype=np.int32),
            "frame_step": np.ones(self.num_clips, np.int32),
        }

    def check(self, numbers: Sequence[int]) -> None:
        """Raises where the store holds other rows than were written."""
        reader = StoreReader(self.path)
        assert len(reader.videos) == self.num_videos
        for number in numbers:
            for name, values in self.rows(number).items():
                np.testing.assert_array_equal(reader.rows(name_of(number))[name], values)

    def drawn(self, how_many: int) -> list[int]:
        """Numbers of videos, the same share of the way into a store of any size."""
        shares = random.Random(0)
        return [int(shares.random() * self.num_videos) for _ in range(how_many)]


def name_of(number: int) -> str:
    """The id of a video, as long as those of published data sets."""
    return f"made-up-videos/{number:06}"


def made_source(number: int) -> VideoSource:
    """What the table says of a video."""
    name = name_of(number)
    path = f"/data/made-up-videos/{name}.mp4"
    content = f"{number:032x}"
    return VideoSource(name, path, 10**6 + number, number, content, 120, 1, 25.0, 4.8, 210, 260)


def main() -> None:
    """Prints one row a size of store, and where the time of opening the largest goes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=int, nargs="+", default=[500, 5_000, 50_000])
    parser.add_argument("--clips", type=int, default=4, help="Rows of a video.")
    parser.add_argument("--folder", type=Path, help="Where the stores are made for a while.")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        stores = [Store(Path(name) / f"{n}.zarr", n, options.clips) for n in options.videos]
        for store in stores:
            store.write()
            store.check(store.drawn(NUM_READ))
        print(f"{NUM_READ} videos of each store are as they were written, to the bit\n")
        opening = take_turns(
            {s.path.name: partial(StoreReader, s.path) for s in stores}, options.turns
        )
        reading = take_turns({s.path.name: reading_of(s) for s in stores}, options.turns)
        print_growth(stores, opening, reading)
        print_parts(stores[-1], options.turns)


def reading_of(store: Store) -> partial[None]:
    """Reads the drawn videos of a store that has been opened."""
    reader = StoreReader(store.path)
    names = [name_of(number) for number in store.drawn(NUM_READ)]
    return partial(read_all, reader, names)


def read_all(reader: StoreReader, names: Sequence[str]) -> None:
    """All rows of some videos."""
    for name in names:
        reader.rows(name)


def print_growth(
    stores: Sequence[Store], opening: dict[str, list[float]], reading: dict[str, list[float]]
) -> None:
    """Milliseconds of opening and of one video, and how many times those of the smallest store."""
    smallest = stores[0].path.name
    print(
        "| videos | opening, ms | least - most | times the smallest store's | us a video ", end=""
    )
    print("| one video's rows, ms | least - most | times the smallest store's |")
    print("|---" * 8 + "|")
    for store in stores:
        opened = opening[store.path.name]
        read = [1e3 * taken / NUM_READ for taken in reading[store.path.name]]
        smallest_read = [1e3 * taken / NUM_READ for taken in reading[smallest]]
        cells = [
            f"{store.num_videos:,}",
            f"{1e3 * statistics.median(opened):.3g}",
            spread([1e3 * taken for taken in opened]),
            f"{statistics.median(ratios(opened, opening[smallest])):.2f}",
            f"{1e6 * statistics.median(opened) / store.num_videos:.3g}",
            f"{statistics.median(read):.3g}",
            spread(read),
            f"{statistics.median(ratios(read, smallest_read)):.2f}",
        ]
        print("| " + " | ".join(cells) + " |")


def print_parts(store: Store, turns: int) -> None:
    """What opening consists of: the group's attributes, the table's columns, the entries."""
    parts: dict[str, list[float]] = {}
    for _ in range(turns):
        for name, taken in opening_in_parts(store.path):
            parts.setdefault(name, []).append(taken)
    print(f"\n| part of opening {store.num_videos:,} videos | median ms |\n|---|---|")
    for name, taken in parts.items():
        print(f"| {name} | {1e3 * statistics.median(taken):.3g} |")


def opening_in_parts(path: Path) -> Iterator[tuple[str, float]]:
    """Name and seconds of the steps of ``StoreReader``, except the making of entries."""
    yield "the group and its attributes", seconds_of(lambda: StoreArrays(place_of(path)).commit)
    arrays = StoreArrays(place_of(path))
    stop = arrays.commit.num_videos
    for kind, is_text in (("texts", True), ("numbers", False)):
        names = [spec.name for spec in VIDEO_ARRAYS if (spec.dtype == "str") == is_text]
        columns = f"{len(names)} columns of {kind}"
        yield columns, seconds_of(lambda: [arrays.read_column("videos", n, 0, stop) for n in names])  # noqa: B023
    whole = seconds_of(lambda: StoreReader(path))
    yield "all of it, with an entry for every video", whole


if __name__ == "__main__":
    main()
