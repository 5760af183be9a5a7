"""Which process works on which video, and the finished videos that wait to be packed.

What is said of finished and failed videos waits beside a store ``NAME``, in ``NAME.staging``::

    lock                  held by one writer, to pack; not to claim and not to finish
    alone                 whose import, repair or compaction keeps all others out
    heartbeats            there where no locks tell whether a writer lives
    writers/<writer>.json      the heartbeat of a writer, with what it is at
    writers/<writer>.alive     locked as long as it lives, where there are locks
    claims/<key>          which writer works on that video
    finished/<key>.npz    a finished video; a later one replaces it
    failed/<key>.json     why a video failed in the present runs
    quarantine/           records that cannot be read, for the user to look at

A finished video is always here or in the store, so that whoever has made a claim and then finds it
in neither is the only one to work on it. A dead writer's claims are void; should it come back, a
video is done twice and the later record counts. The last writer that leaves removes the folder
where nothing waits in it.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import PurePath
from threading import Lock
from typing import NamedTuple, TypeVar
from uuid import uuid4

from rich.markup import escape

from seds_core.console import warn
from seds_core.errors import UsageError
from seds_core.store.disk import DiskPlace
from seds_core.store.liveness import (
    DEAD_SECONDS,
    MARK,
    Heart,
    Heartbeats,
    OsLocks,
    heartbeat_name,
    inside,
    liveness_of,
)
from seds_core.store.place import Absent, ChangedError, Place, Seen, StoreLocation, place_of
from seds_core.store.records import (
    DamagedRecordError,
    FailedVideo,
    FinishedVideo,
    StagedVideo,
    failed_record,
    finished_record,
    read_failed,
    read_finished,
    video_key,
)
from seds_core.store.writer_state import WriterSeen, WriterState


class StoreInUseError(UsageError):
    """A store that another process is writing to in a way that lets no other join."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url}: another import or extraction is writing to this store. "
            "Wait until it has ended, or give another --out."
        )


_FINISHED = re.compile(r"(?:(\d{9,})-)?([0-9a-f]{24})\.npz")
"""Number in the order of finishing, in records of earlier versions, and key of the video."""

_Record = TypeVar("_Record")


def staging_of(location: StoreLocation) -> Place:
    """Where a store's staging folder is, also for a store that is the working directory."""
    place = place_of(location)
    url = os.path.abspath(place.path) if isinstance(place, DiskPlace) else place.url
    return place.beside(f"{PurePath(url).name}.staging")


def num_finished(location: StoreLocation) -> int:
    """Finished videos that no process has packed yet."""
    return len(Records(staging_of(location)).finished())


def waiting_videos(location: StoreLocation) -> Iterator[StagedVideo]:
    """Finished videos that no process has packed yet; nothing is touched."""
    place = staging_of(location)
    for record in Records(place).finished():
        # What is damaged is dropped by the next run, and what is gone is packed.
        with suppress(FileNotFoundError, DamagedRecordError):
            yield read_finished(place.read(record.name))


class WaitingRecord(NamedTuple):
    """A file of a finished or failed video."""

    name: str
    seen: Seen

    @property
    def key(self) -> str:
        """Key of its video."""
        return PurePath(self.name).stem.rpartition("-")[2]


class Records:
    """The records in a staging folder. Writing them needs neither lock nor claim."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def finish(self, video: FinishedVideo, made: str) -> None:
        """Keeps a finished video, in place of what was said of it before.

        ``made`` is the digest of what made its rows.
        """
        key = video_key(video.source.video_id)
        self._place.write(f"finished/{key}.npz", finished_record(video, made))
        self._place.remove([f"failed/{key}.json"])

    def fail(self, failure: FailedVideo) -> None:
        """Keeps a failure."""
        key = video_key(failure.video_id)
        self._place.write(f"failed/{key}.json", failed_record(failure))

    def is_known(self, video_id: str) -> bool:
        """Whether a video has finished or failed, and that waits to be packed."""
        key = video_key(video_id)
        return any(map(self._place.look, (f"finished/{key}.npz", f"failed/{key}.json")))

    def known_keys(self) -> set[str]:
        """Keys of all videos that have finished or failed and wait to be packed."""
        return {PurePath(name).stem.rpartition("-")[2] for name, _ in self._names()}

    def finished(self) -> list[WaitingRecord]:
        """Files of the finished videos, by name."""
        found = [WaitingRecord(*file) for file in self._place.names("finished/")]
        return [record for record in found if _FINISHED.fullmatch(PurePath(record.name).name)]

    def failed(self) -> list[WaitingRecord]:
        """Files of the failures, by key."""
        return [WaitingRecord(*file) for file in self._place.names("failed/")]

    def read_finished(self, name: str) -> StagedVideo | None:
        """A finished video; ``None`` for what is none, which is set aside, or gone."""
        return self._read(name, read_finished)

    def read_all(
        self, waiting: Sequence[WaitingRecord]
    ) -> Iterator[tuple[WaitingRecord, StagedVideo]]:
        """The finished videos of some files, several of which are read at once."""
        with ThreadPoolExecutor(self._place.reads_at_once) as pool:
            # Few are in memory at once: a video may be large.
            for first in range(0, len(waiting), self._place.reads_at_once):
                some = waiting[first : first + self._place.reads_at_once]
                read = pool.map(self.read_finished, [record.name for record in some])
                for record, staged in zip(some, read, strict=True):
                    if staged is not None:
                        yield record, staged

    def read_failed(self, name: str) -> FailedVideo | None:
        """A failure; ``None`` like :meth:`read_finished`."""
        return self._read(name, read_failed)

    def set_foreign_aside(self) -> None:
        """Moves what no version has written out of the way."""
        for name, _ in self._place.names("finished/"):
            if not _FINISHED.fullmatch(PurePath(name).name):
                self.set_aside(name, "no record has such a name")

    def set_aside(self, name: str, reason: str) -> None:
        """Moves a record that nothing can be done with out of the way, and says so."""
        aside = f"quarantine/{PurePath(name).name}"
        if self._place.look(aside):
            aside = f"quarantine/{uuid4().hex}-{PurePath(name).name}"
        self._place.write(aside, self._place.read(name))
        self._place.remove([name])
        warn(
            f"a damaged record of a finished or failed video is set aside as "
            f"{escape(self._place.url)}/{aside}, and the video is done again ({escape(reason)})"
        )

    def drop(self, records: Iterable[WaitingRecord]) -> None:
        """Removes records that are in the store now; one that has been replaced since stays."""
        known = {record.name: record.seen for record in records}
        now = self._place.look_at(known.keys())
        self._place.remove([name for name, seen in known.items() if now.get(name) == seen])

    def _names(self) -> Iterator[tuple[str, Seen]]:
        yield from self._place.names("finished/")
        yield from self._place.names("failed/")

    def _read(self, name: str, parse: Callable[[bytes], _Record]) -> _Record | None:
        try:
            return parse(self._place.read(name))
        except FileNotFoundError:
            return None
        except DamagedRecordError as error:
            self.set_aside(name, str(error))
            return None


class Staging:
    """One writer's view of a staging folder; it lives from its making to :meth:`close`."""

    def __init__(
        self,
        location: StoreLocation,
        tell: Callable[[], bytes] | None = None,
        *,
        alone: bool = False,
    ) -> None:
        """Announces this process as a writer, which tells the others ``tell()`` of itself.

        When it is to be ``alone``, other writers are refused until it closes. Raises
        :class:`StoreInUseError` where another is alone in the store, or there at all when this one
        is to be.
        """
        self.place = staging_of(location)
        self.records = Records(self.place)
        self._writer = uuid4().hex
        self._of_threads = Lock()  # a lock of the operating system is that of all threads
        self._heart = Heart(self.place, self._writer, tell or WriterState.of_this_process().to_json)
        self._liveness = liveness_of(self.place, self._writer, self._heart)
        # Keys of the videos that this process works on.
        self._claimed: set[str] = set()
        # Key -> another's claim and who made it, which a claim tells for good.
        self._owners: dict[str, tuple[Seen, str]] = {}
        with ExitStack() as opening:
            opening.callback(self.place.remove, [heartbeat_name(self._writer)])
            opening.callback(self._heart.stop)
            # A disk may be full already: whoever tries again is not kept out by this writer.
            opening.callback(self._liveness.withdraw)
            # Where heartbeats tell, the lock is only a living writer's.
            if goes_by_heartbeats := isinstance(self._liveness, Heartbeats):
                self._heart.start()
            with self.lock():  # so that no other process takes the folder for a dead writer's
                other = self._alone()
                is_refused = other and self._liveness.is_alive(other)
                if is_refused or (alone and self._others()):
                    raise StoreInUseError(place_of(location).url)
                self._liveness.announce()
                if not goes_by_heartbeats:
                    self._heart.start()
                if alone:
                    self.place.write("alone", self._writer.encode())
            opening.pop_all()

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Withdraws this process and its claims."""
        with self.lock():
            self._heart.stop()
            alone = ["alone"] if self._alone() == self._writer else []
            claims = [f"claims/{key}" for key in self._claimed]
            self.place.remove([*alone, *claims, heartbeat_name(self._writer)])
            self._liveness.withdraw()
            self._remove_if_empty()

    @contextmanager
    def lock(self, *, wait: bool = True) -> Iterator[bool]:
        """Keeps all other writers out for a moment; without ``wait`` it may not, and says so."""
        with self._of_threads, inside(self._liveness, wait=wait) as is_inside:
            yield is_inside

    def claim(self, video_id: str) -> bool:
        """Says that this process works on a video, unless another has said so."""
        return self._claim(video_key(video_id), Absent())

    def claims(self) -> dict[str, Seen]:
        """Keys of the videos that any writer, even a dead one, has said to work on."""
        return {PurePath(name).name: seen for name, seen in self.place.names("claims/")}

    def take_over(self, video_id: str, claim: Seen) -> bool:
        """Claims a video whose ``claim`` is a dead writer's."""
        key = video_key(video_id)
        if self._owners.get(key, (None, ""))[0] != claim:
            try:
                self._owners[key] = claim, self._read_writer(f"claims/{key}")
            except FileNotFoundError:
                return False
        owner = self._owners[key][1]
        return not self._liveness.is_alive(owner) and self._claim(key, claim)

    def release(self, video_id: str) -> None:
        """Takes a claim back."""
        key = video_key(video_id)
        self.place.remove([f"claims/{key}"])
        self._claimed.discard(key)

    def _claim(self, key: str, only_if: Seen | Absent) -> bool:
        try:
            # After a loss of power this writer is dead, and its claims are void, there or not.
            self.place.write(
                f"claims/{key}", self._writer.encode(), only_if=only_if, is_durable=False
            )
        except ChangedError:
            return False
        self._claimed.add(key)
        return True

    def _read_writer(self, name: str) -> str:
        return self.place.read(name).decode(errors="replace")

    def _alone(self) -> str:
        """The writer that is alone in the store, or was when it died."""
        try:
            return self._read_writer("alone")
        except FileNotFoundError:
            return ""

    def _others(self) -> bool:
        """Whether another writer lives."""
        names = (PurePath(name) for name, _ in self.place.names("writers/"))
        writers = {name.stem for name in names if len(name.parts) == 2}
        return any(map(self._liveness.is_alive, writers - {self._writer}))

    def _remove_if_empty(self) -> None:
        """Removes the folder where nothing waits in it and no other writer is at work."""
        kept = ("finished/", "failed/", "quarantine/")
        names = [name for name, _ in self.place.names()]
        # Looked at after the names: a writer that has come since keeps its heartbeat.
        if any(name.startswith(kept) for name in names) or self._others():
            return
        self.place.remove([name for name in names if name not in ("lock", MARK)])
        self._liveness.remove_folder()


def read_writers(location: StoreLocation) -> list[WriterSeen]:
    """The processes that write to a store, also those that have died since it was last quiet."""
    place = staging_of(location)
    locks = (
        OsLocks(place.path, "") if isinstance(place, DiskPlace) and not place.look(MARK) else None
    )
    beats = [file for file in place.names("writers/") if PurePath(file[0]).suffix == ".json"]
    now = _clock_of(place) if beats else 0.0
    writers = []
    for name, seen in beats:
        try:
            state = WriterState.parse(place.read(name))
        except FileNotFoundError:  # it has just left
            continue
        age = max(now - seen.modified, 0.0)
        is_alive = locks.is_alive(PurePath(name).stem) if locks else age <= DEAD_SECONDS
        if state:
            writers.append(WriterSeen(state, age, is_alive))
    return writers


def _clock_of(place: Place) -> float:
    """What time it is where a staging folder lies; here, where nothing may be written there."""
    name = f"clock-{uuid4().hex}"
    try:
        return place.write(name, b"").modified
    except OSError:
        return time.time()
    finally:
        with suppress(OSError):
            place.remove([name])
