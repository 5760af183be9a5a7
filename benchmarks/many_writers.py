"""Simulates hundreds of writers that fill one store in a bucket, to see what breaks first.

    python benchmarks/many_writers.py --writers 16 64 256 1024 --videos 100000

Events are simulated, and what a writer does is the program's own: claims go through the class that
the program uses, packs begin when the program would begin them, and what a claim, a finished video
and a pack cost in requests is what the program sends. Lengths are those of sentences (lognormal,
162 frames in the middle), the speed of a writer, the bucket's latency and bandwidth, and how often
a writer dies and comes back are options. Wall time is compared with that of writers that need no
store and never die.
"""

import argparse
import heapq
import random
from dataclasses import dataclass, field

import numpy as np
from measurement import print_conditions

from seds_core.store.bucket import BucketPlace
from seds_core.store.liveness import DEAD_SECONDS
from seds_core.store.packed_store import PACK_ROWS
from seds_core.store.wanted import WantedVideos

CLAIM_REQUESTS = 5
"""The claim, whether it is finished or has failed, and the root; counted at a server."""

FINISH_REQUESTS = 4
"""The record, an earlier failure, and the claim; counted at a server."""

PACK_REQUESTS = 110
"""Lock, lists, root, and reading and writing the last shard of every array; counted at a server."""

ROW_BYTES = 1_640
"""Of a pose store; half of it where it is compressed."""

SHARD_ROWS = 32_768
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass
class Writer:
    """A simulated process."""

    wanted: WantedVideos
    unpacked_rows: int = 0
    claiming_s: float = 0.0
    packing_s: float = 0.0


@dataclass
class Simulation:
    """One run: what is measured of it."""

    options: argparse.Namespace
    num_writers: int
    frames: np.ndarray
    num_requests: int = 0
    num_attempts: int = 0
    num_claims: int = 0
    num_deaths: int = 0
    num_again: int = 0
    num_packs: int = 0
    num_refused: int = 0
    """Packs that were left to the one that was under way."""
    most_waiting: int = 0
    """Finished videos that waited to be packed at once."""
    packed_until: float = 0.0
    busy_s: float = 0.0
    """The pack lock was held."""
    _events: list[tuple[float, int, str, int]] = field(default_factory=list)

    def run(self) -> float:
        """Seconds until all videos are packed."""
        self._random = random.Random(1)
        self._ids = [str(number) for number in range(len(self.frames))]
        self._taken = np.zeros(len(self.frames), bool)
        self._done = np.zeros(len(self.frames), bool)
        self._waiting_rows = self._num_waiting = 0
        self._writers = [Writer(WantedVideos(self._ids)) for _ in range(self.num_writers)]
        for number in range(self.num_writers):
            self._add(self._random.random(), number, "claim")
        now = 0.0
        while self._events:
            now, number, what, video = heapq.heappop(self._events)
            match what:
                case "claim":
                    self._claim(now, number)
                case "finish":
                    self._finish(now, number, video)
                case "free":
                    self._taken[video] = self._done[video]
        return max(now, self.packed_until)

    def _claim(self, now: float, number: int) -> None:
        writer, seconds = self._writers[number], 0.0
        while (name := writer.wanted.candidate) is not None:
            self.num_attempts += 1
            is_free = not self._taken[int(name)]
            seconds += self._requests(CLAIM_REQUESTS if is_free else 1)
            if is_free:
                break
            writer.wanted.is_taken()
        if name is None:
            # Three lists, and what the table has got since.
            listed = 3 + self._num_waiting // 1_000
            seconds += self._requests(listed + 2)
            rest = [v for v in writer.wanted.rest() if not self._done[int(v)]]
            free = [v for v in rest if not self._taken[int(v)]]
            if free or not self._done.all():
                left = free or [v for v in self._ids if not self._done[int(v)]]
                writer.wanted = WantedVideos(left)
                pause = 0.0 if free else SECONDS_BETWEEN_LOOKS
                self._add(now + seconds + pause, number, "claim")
            else:
                self._pack(now + seconds, writer)
            return
        video = int(name)
        writer.wanted.is_free()
        writer.claiming_s += seconds
        self.num_claims += 1
        self._taken[video] = True
        computing = float(self.frames[video]) / self.options.rate
        if self._random.random() < computing / (self.options.hours_between_deaths * 3_600):
            self.num_deaths += 1
            self.num_again += 1
            self._add(now + seconds + computing / 2 + DEAD_SECONDS, number, "free", video)
            writer.wanted = WantedVideos(v for v in self._ids if not self._done[int(v)])
            back = now + seconds + computing / 2 + self.options.seconds_to_return
            self._add(back, number, "claim")
        else:
            self._add(now + seconds + computing, number, "finish", video)

    def _finish(self, now: float, number: int, video: int) -> None:
        writer, rows = self._writers[number], int(self.frames[video])
        seconds = self._requests(FINISH_REQUESTS) + rows * ROW_BYTES / self.options.bandwidth / 1e6
        self._done[video] = True
        self._waiting_rows += rows
        self._num_waiting += 1
        self.most_waiting = max(self.most_waiting, self._num_waiting)
        writer.unpacked_rows += rows
        if writer.unpacked_rows >= PACK_ROWS:
            writer.unpacked_rows = 0
            if now < self.packed_until:
                self.num_refused += 1
            elif self._waiting_rows >= PACK_ROWS // 2:
                seconds += self._pack(now + seconds, writer)
        self._add(now + seconds, number, "claim")

    def _pack(self, now: float, writer: Writer) -> float:
        if now < self.packed_until or not self._num_waiting:
            return 0.0
        # Every two shards' worth is a commit; records are read, rows are written, and the shard
        # that is not full is read and written again.
        num_commits = -(-self._waiting_rows // (2 * PACK_ROWS))
        moved = self._waiting_rows * ROW_BYTES * 1.5 + num_commits * SHARD_ROWS * ROW_BYTES / 2
        seconds = moved / self.options.bandwidth / 1e6
        seconds += self._requests(num_commits * PACK_REQUESTS)
        seconds += self._requests(self._num_waiting) / BucketPlace.reads_at_once
        self.num_packs += 1
        self._waiting_rows = self._num_waiting = 0
        self.packed_until = now + seconds
        self.busy_s += seconds
        writer.packing_s += seconds
        return seconds

    def _requests(self, number: int) -> float:
        self.num_requests += number
        return number * self.options.latency / 1_000

    def _add(self, when: float, number: int, what: str, video: int = -1) -> None:
        heapq.heappush(self._events, (when, number, what, video))


def main() -> None:
    """Simulates, and prints a line a number of writers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writers", type=int, nargs="+", default=[16, 64, 256, 1024])
    parser.add_argument("--videos", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=200.0, help="Frames a second and writer.")
    parser.add_argument("--latency", type=float, default=30.0, help="Of a request, in ms.")
    parser.add_argument("--bandwidth", type=float, default=200.0, help="Of a writer, in MB/s.")
    parser.add_argument("--hours-between-deaths", type=float, default=4.0)
    parser.add_argument("--seconds-to-return", type=float, default=180.0)
    options = parser.parse_args()
    print_conditions(vars(options))
    frames = np.random.default_rng(1).lognormal(np.log(162), 0.7, options.videos)
    frames = np.sort(np.clip(frames, 8, 20_000).astype(int))[::-1]  # longest first
    print(
        "writers  hours  of ideal  attempts/claim  requests/video  requests/s  lock busy  "
        "most waiting  packs left  deaths  again"
    )
    for num_writers in options.writers:
        run = Simulation(options, num_writers, frames)
        seconds = run.run()
        ideal = frames.sum() / options.rate / num_writers
        print(
            f"{num_writers:7,}{seconds / 3_600:7.2f}{seconds / ideal:10.2f}"
            f"{run.num_attempts / run.num_claims:16.2f}{run.num_requests / len(frames):16.1f}"
            f"{run.num_requests / seconds:12.0f}{run.busy_s / seconds:11.2f}"
            f"{run.most_waiting:14,}{run.num_refused:12,}{run.num_deaths:8,}{run.num_again:7,}"
        )


if __name__ == "__main__":
    main()
