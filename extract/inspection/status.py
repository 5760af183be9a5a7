"""Who works on a store at present, how fast, and on what: seen from any machine."""

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from seds_core.console import duration, grid_of_facts, print_json, results
from seds_core.store.place import StoreLocation, place_of
from seds_core.store.reader import StoreReader
from seds_core.store.staging import num_finished, read_writers
from seds_core.store.writer_state import TimedVideo, WriterSeen

SECONDS_BETWEEN_LOOKS = 5.0
"""Of ``--watch``; at a bucket each look costs a few requests."""

_NUM_SHOWN = 10
"""Writers' videos, slowest videos and failures that are named."""


@dataclass(frozen=True)
class StoreStatus:
    """A store and its writers at one moment."""

    store: str
    num_videos: int
    """Packed; 0 while the store has not been made."""
    num_waiting: int
    """Finished, and not packed yet."""
    failures: dict[str, str]
    """Video -> reason, as far as failures are packed."""
    writers: tuple[WriterSeen, ...]

    @property
    def living(self) -> tuple[WriterSeen, ...]:
        """Writers that are at work."""
        return tuple(writer for writer in self.writers if writer.is_alive)

    @property
    def num_left(self) -> int | None:
        """Videos that remain to be done, about; ``None`` while nobody works.

        Writers with the same command share one list, of which each has counted what was missing
        when it began; those with other commands, as the parts of an array job, have others.
        """
        if not self.living:
            return None
        return sum(_left(group) for group in self._groups())

    @property
    def seconds_left(self) -> float | None:
        """Until the slowest list is done, about; ``None`` while that cannot be known."""
        needed = []
        for group in self._groups():
            if left := _left(group):
                rate = sum(map(videos_per_second, group))
                if not rate:
                    return None
                needed.append(left / rate)
        return max(needed, default=0.0) if self.living else None

    def _groups(self) -> Iterator[list[WriterSeen]]:
        """The living writers by the list that they work on."""
        groups = defaultdict(list)
        for writer in self.living:
            groups[writer.state.command].append(writer)
        yield from groups.values()


def _left(group: Sequence[WriterSeen]) -> int:
    states = [writer.state for writer in group]
    done = sum(state.num_finished + state.num_failed for state in states)
    return max(max(state.num_wanted for state in states) - done, 0)


def videos_per_second(writer: WriterSeen) -> float:
    """Of a writer's run until its last heartbeat; 0 before its first video."""
    state = writer.state
    return (state.num_finished + state.num_failed) / _seconds(writer)


def frames_per_second(writer: WriterSeen) -> float:
    """Of a writer's run until its last heartbeat."""
    return writer.state.num_frames / _seconds(writer)


def _seconds(writer: WriterSeen) -> float:
    # By the clock of this machine, which may differ from the writer's by some seconds.
    return max(time.time() - writer.age_s - writer.state.started, 1.0)


def look_at(location: StoreLocation) -> StoreStatus:
    """What can be seen of a store now; raises ``UsageError`` for what is no store.

    A store that has writers may not have been made yet.
    """
    writers = tuple(sorted(read_writers(location), key=lambda writer: not writer.is_alive))
    place = place_of(location)
    num_videos, failures = 0, {}
    if place.look("zarr.json") or not writers:
        store = StoreReader(location)
        num_videos = len(store.videos)
        failures = {video_id: failure.reason for video_id, failure in store.failures.items()}
    return StoreStatus(place.url, num_videos, num_finished(location), failures, writers)


def show_status(location: StoreLocation, *, watch: bool, as_json: bool) -> None:
    """Prints a store's status, once, or with ``watch`` again and again until Ctrl-C."""
    try:
        if as_json or not (watch and results.is_terminal):
            while True:
                status = look_at(location)
                if as_json:
                    print_json(as_values(status))
                else:
                    results.print(as_tables(status))
                    sys.stdout.flush()
                if not watch:
                    return
                time.sleep(SECONDS_BETWEEN_LOOKS)
        with Live(as_tables(look_at(location)), console=results, screen=False) as live:
            while True:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                live.update(as_tables(look_at(location)), refresh=True)
    except KeyboardInterrupt:  # which is how one stops watching
        return


def as_values(status: StoreStatus) -> dict[str, Any]:
    """The status as values of JSON."""
    return {
        "store": status.store,
        "videos": status.num_videos,
        "waiting": status.num_waiting,
        "left": status.num_left,
        "seconds_left": status.seconds_left,
        "failures": status.failures,
        "writers": [
            {
                "is_alive": writer.is_alive,
                "age_s": round(writer.age_s, 1),
                "videos_per_second": videos_per_second(writer),
                "frames_per_second": frames_per_second(writer),
                **asdict(writer.state),
            }
            for writer in status.writers
        ],
    }


def as_tables(status: StoreStatus) -> RenderableType:
    """The status as tables."""
    facts = grid_of_facts()
    for label, text in _facts(status):
        facts.add_row(Text(label, style="bold"), Text(text))
    parts: list[RenderableType] = [facts]
    if status.writers:
        parts += [_writers_table(status.writers), _in_hand_table(status.living)]
    if slowest := _slowest(status.writers):
        table = Table("video", "time", title="Slowest videos", title_justify="left")
        for video in slowest:
            table.add_row(Text(video.video_id), duration(video.seconds))
        parts.append(table)
    if status.failures:
        table = Table("video", "reason", title="Failures", title_justify="left")
        for video_id, reason in [*status.failures.items()][:_NUM_SHOWN]:
            table.add_row(Text(video_id), Text(reason))
        parts.append(table)
    return Group(*parts)


def _facts(status: StoreStatus) -> Iterator[tuple[str, str]]:
    yield "store", status.store
    yield "videos", f"{status.num_videos:,} packed, {status.num_waiting:,} finished and waiting"
    new = sum(writer.state.num_failed for writer in status.living)
    yield "failures", f"{len(status.failures):,}, and {new:,} in the present runs"
    num_dead = len(status.writers) - len(status.living)
    dead = f", {num_dead} dead: others do their videos again" if num_dead else ""
    yield "writers", f"{len(status.living)} at work{dead}"
    if status.living:
        videos = sum(map(videos_per_second, status.living))
        frames = sum(map(frames_per_second, status.living))
        yield "rate", f"{videos:.2f} videos/s, {frames:.0f} frames/s"
        left = status.seconds_left
        time_left = "unknown time" if left is None else duration(left)
        yield "left", f"about {status.num_left:,} videos, {time_left}"


def _writers_table(writers: Sequence[WriterSeen]) -> Table:
    table = Table(title="Writers", title_justify="left")
    for name in ("host", "process", "device", "state", "done", "failed", "frames/s"):
        table.add_column(name)
    for writer in writers:
        state = writer.state
        seen = f"seen {duration(writer.age_s)} ago"
        table.add_row(
            Text(state.host),
            str(state.pid),
            Text(state.device),
            seen if writer.is_alive else Text(f"dead, {seen}", style="red"),
            f"{state.num_finished:,} of {state.num_wanted:,}",
            f"{state.num_failed:,}",
            f"{frames_per_second(writer):.0f}",
        )
    return table


def _in_hand_table(writers: Sequence[WriterSeen]) -> Table:
    """What is being worked on, the oldest first."""
    pairs = [(video, writer.state) for writer in writers for video in writer.state.in_hand]
    pairs.sort(key=lambda pair: pair[0].since)
    table = Table("video", "host", "process", "for", title="At work on", title_justify="left")
    now = time.time()
    for video, state in pairs[:_NUM_SHOWN]:
        age = duration(max(now - video.since, 0.0))
        table.add_row(Text(video.video_id), Text(state.host), str(state.pid), age)
    if more := len(pairs) - _NUM_SHOWN:
        table.caption = f"and {more:,} more" if more > 0 else None
    return table


def _slowest(writers: Sequence[WriterSeen]) -> list[TimedVideo]:
    videos = [video for writer in writers for video in writer.state.slowest]
    return sorted(videos, key=lambda video: -video.seconds)[:_NUM_SHOWN]
