"""What every place that a store can lie in has to keep, as a Hypothesis state machine.

Writers claim, finish, fail, pack, leave and die, also in the middle of a pack; imports, compaction,
damage and repair come between; readers stay open all the while. After every step all rows that can
be read are some that were written, and at the end the store holds exactly what was finished last.
For whoever makes a new kind of :class:`~seds_core.store.place.Place`::

    def test_my_place(tmp_path):
        check_place(lambda: f"my://{tmp_path}/{uuid4().hex}/pose.zarr")

Needs Hypothesis.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from seds_core.store.compaction import compact_store, find_room
from seds_core.store.liveness import OsLocks, heartbeat_name
from seds_core.store.place import Place, StoreLocation, place_of
from seds_core.store.provenance import (
    ClipRules,
    Provenance,
    StoreMismatchError,
    TimelineRules,
    WeightsRecord,
)
from seds_core.store.reader import StoreReader
from seds_core.store.records import FailedVideo, FinishedVideo, VideoSource
from seds_core.store.repair import repair_store
from seds_core.store.staging import StoreInUseError
from seds_core.store.writer import BulkWriter, StoreWriter

PROVENANCE = Provenance(
    kind="rgb",
    timeline=TimelineRules(max_frames=300),
    rgb=ClipRules(backbone="i3d", clip_length=16, clips="planned", max_clips=64),
    weights=WeightsRecord(name="none", source="here", sha256="0" * 64, is_random=True),
    feature_dim=8,
)
VIDEO_IDS = ("a", "b/c", "ü", "d d", "e", "f")
MAX_WRITERS = 3


def check_place(
    new_location: Callable[[], StoreLocation], *, num_examples: int = 20, num_steps: int = 30
) -> None:
    """Raises for a place that does not keep what a store relies on.

    ``new_location`` gives one without a store at every call.
    """
    machine = type("Machine", (StoreMachine,), {"new_location": staticmethod(new_location)})
    checked = settings(
        max_examples=num_examples,
        stateful_step_count=num_steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    run_state_machine_as_test(machine, settings=checked)


def made_video(video_id: str, content: int) -> FinishedVideo:
    """A video whose rows are a function of its id and of a number."""
    generator = np.random.default_rng([content, *video_id.encode()])
    num_rows = int(generator.integers(1, 300))
    rows = {
        "features": generator.normal(size=(num_rows, 8)).astype(np.float32),
        "first_frame": np.arange(num_rows, dtype=np.int32),
        "frame_step": np.ones(num_rows, np.int32),
    }
    source = VideoSource(video_id, "/v.mp4", 1, content, str(content), 99, 1, 25.0, 4.0, 64, 48)
    return FinishedVideo(source, rows)


class DiesError(BaseException):
    """A process comes to its end here."""


@contextmanager
def dying_after(place: Place, num_changes: int) -> Iterator[None]:
    """Raises :class:`DiesError` at a change of files that comes after so many others."""
    left = [num_changes]

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as the method
            left[0] -= 1
            if left[0] < 0:
                raise DiesError
            return method(*arguments, **options)

        return call

    changes = {type(place): ("write", "remove"), type(place.batch()): ("write", "publish")}
    with ExitStack() as patches:
        for kind, names in changes.items():
            for name in names:
                wrapped = counted(getattr(kind, name))
                patches.enter_context(mock.patch.object(kind, name, wrapped))
        yield


@dataclass
class Worker:
    """A living writer, what it works on, and what had been done before it came."""

    writer: StoreWriter
    in_hand: list[str] = field(default_factory=list)
    done_before: int = 0


class StoreMachine(RuleBasedStateMachine):
    """A store and what it has to hold."""

    new_location: Callable[[], StoreLocation]

    @initialize()
    def begin(self) -> None:
        """An empty place."""
        self.location = self.new_location()
        self.place = place_of(self.location)
        self.workers: list[Worker] = []
        self.readers: list[tuple[StoreReader, dict[str, int]]] = []
        # Video -> number of its rows that were finished last, and why it failed last.
        self.finished: dict[str, int] = {}
        self.failed: dict[str, str] = {}
        self.written: set[tuple[str, int]] = set()
        self.num_done = 0
        # Videos in the order of finishing and failing: a worker that was there sees what is done.
        self.done: list[str] = []

    @rule()
    @precondition(lambda self: len(self.workers) < MAX_WRITERS)
    def come(self) -> None:
        """A writer opens the store, and wants all videos."""
        worker = Worker(StoreWriter(self.location, PROVENANCE, pack_rows=400))
        worker.writer.want(VIDEO_IDS)
        worker.done_before = len(self.done)
        self.workers.append(worker)

    @rule(data=st.data())
    @precondition(lambda self: self.workers)
    def claim(self, data: st.DataObject) -> None:
        """What it gets is in nobody's hands, and was not done since it came."""
        worker = data.draw(st.sampled_from(self.workers))
        video_id = worker.writer.claim()
        in_hands = {name for each in self.workers for name in each.in_hand}
        done_since = set(self.done[worker.done_before :])
        if video_id is None:
            return
        assert video_id not in in_hands, f"{video_id!r} is claimed twice"
        assert video_id not in done_since, f"{video_id!r} is claimed though it is done"
        worker.in_hand.append(video_id)

    @rule(data=st.data(), by_other_process=st.booleans())
    @precondition(lambda self: any(worker.in_hand for worker in self.workers))
    def finish(self, data: st.DataObject, *, by_other_process: bool) -> None:
        """A video gets its rows, from the writer itself or from another process."""
        worker, video_id = self._in_hand(data)
        video = self._next_video(video_id)
        if by_other_process:
            worker.writer.records().finish(video)
            worker.writer.recorded(video_id, video.num_rows)
        else:
            worker.writer.finish(video)

    @rule(data=st.data())
    @precondition(lambda self: any(worker.in_hand for worker in self.workers))
    def fail(self, data: st.DataObject) -> None:
        """A video fails; rows that it may have from before stay."""
        worker, video_id = self._in_hand(data)
        self.num_done += 1
        reason = f"reason {self.num_done}"
        worker.writer.fail(FailedVideo.now(video_id, "/v.mp4", reason))
        self.failed[video_id] = reason
        self.done.append(video_id)

    @rule(data=st.data())
    @precondition(lambda self: any(worker.in_hand for worker in self.workers))
    def release(self, data: st.DataObject) -> None:
        """A video is given back."""
        worker, video_id = self._in_hand(data)
        worker.writer.release(video_id)

    @rule(data=st.data())
    @precondition(lambda self: self.workers)
    def pack(self, data: st.DataObject) -> None:
        """All that waits is in the store then."""
        data.draw(st.sampled_from(self.workers)).writer.pack()
        assert self._held() == self.finished

    @rule(data=st.data())
    @precondition(lambda self: self.workers)
    def leave(self, data: st.DataObject) -> None:
        """A writer ends as it should."""
        worker = data.draw(st.sampled_from(self.workers))
        worker.writer.__exit__(None, None, None)
        self.workers.remove(worker)
        assert self._held() == self.finished

    @rule(data=st.data(), num_changes=st.integers(0, 30))
    @precondition(lambda self: self.workers)
    def die(self, data: st.DataObject, num_changes: int) -> None:
        """A writer is killed in the middle of a pack, or before it."""
        worker = data.draw(st.sampled_from(self.workers))
        with suppress(DiesError), dying_after(self.place, num_changes):
            worker.writer.pack()
        _kill(worker.writer)
        self.workers.remove(worker)

    @rule(data=st.data())
    def import_video(self, data: st.DataObject) -> None:
        """An import is alone in the store, or is refused."""
        if self.workers:
            with suppress(StoreInUseError):
                BulkWriter(self.location, PROVENANCE)
                raise AssertionError("an import came in beside an extraction")
            return
        with BulkWriter(self.location, PROVENANCE) as importing:
            importing.add(self._next_video(data.draw(st.sampled_from(VIDEO_IDS))))
        assert self._held() == self.finished

    @rule(num_changes=st.integers(0, 30))
    @precondition(lambda self: not self.workers and self.place.exists())
    def compact(self, num_changes: int) -> None:
        """Compaction is killed, and then done."""
        before = self._held()
        with suppress(DiesError), dying_after(self.place, num_changes):
            compact_store(self.location)
        assert self._held() == before
        compact_store(self.location)
        assert find_room(self.location).num_rows == 0

    @rule(seed=st.integers(0, 2**31))
    @precondition(lambda self: not self.workers and self.finished and self.place.exists())
    def damage_and_repair(self, seed: int) -> None:
        """A bit flips: what is not right is dropped, and all else stays."""
        StoreWriter(self.location, PROVENANCE).__exit__(None, None, None)
        names = [
            name for name, seen in self.place.names() if name.count("/") > 1 and seen.num_bytes
        ]
        choice = random.Random(seed)
        name = choice.choice(names)
        content = bytearray(self.place.read(name))
        content[choice.randrange(len(content))] ^= 1 << choice.randrange(8)
        self.place.write(name, bytes(content))
        repair_store(self.location)
        left = self._held()
        assert left.items() <= self.finished.items()
        self.finished = left
        self.failed = {n: f.reason for n, f in StoreReader(self.location).failures.items()}
        self.readers.clear()

    @rule()
    @precondition(lambda self: self.place.exists() and len(self.readers) < MAX_WRITERS)
    def read(self) -> None:
        """A reader opens the store, and stays."""
        self.readers.append((StoreReader(self.location), self._held()))

    @invariant()
    def readers_go_on(self) -> None:
        """They read what they found, unless its room was given back since."""
        for reader, held in getattr(self, "readers", []):
            assert {name: int(reader.videos[name].content_hash) for name in reader.videos} == held
            for video_id, content in held.items():
                with suppress(StoreMismatchError):
                    _is_equal(reader.rows(video_id), made_video(video_id, content).rows)

    @invariant()
    def rows_are_some_that_were_written(self) -> None:
        """Of every video that is in the store at any moment."""
        if getattr(self, "place", None) and self.place.exists():
            assert self._held().items() <= self.written

    def teardown(self) -> None:
        """At the end the store holds exactly what was finished last."""
        for worker in getattr(self, "workers", []):
            worker.writer.__exit__(None, None, None)
        if getattr(self, "finished", None) or getattr(self, "failed", None):
            StoreWriter(self.location, PROVENANCE).__exit__(None, None, None)
            assert self._held() == self.finished
            failures = StoreReader(self.location).failures
            assert {name: failure.reason for name, failure in failures.items()} == self.failed

    def _in_hand(self, data: st.DataObject) -> tuple[Worker, str]:
        worker = data.draw(st.sampled_from([w for w in self.workers if w.in_hand]))
        video_id = data.draw(st.sampled_from(worker.in_hand))
        worker.in_hand.remove(video_id)
        return worker, video_id

    def _next_video(self, video_id: str) -> FinishedVideo:
        self.num_done += 1
        self.finished[video_id] = self.num_done
        self.failed.pop(video_id, None)
        self.written.add((video_id, self.num_done))
        self.done.append(video_id)
        return made_video(video_id, self.num_done)

    def _held(self) -> dict[str, int]:
        """Video -> number of its rows, all of which are compared."""
        store = StoreReader(self.location)
        held = {name: int(store.videos[name].content_hash) for name in store.videos}
        for video_id, content in held.items():
            _is_equal(store.rows(video_id), made_video(video_id, content).rows)
        return held


def _is_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name])


def _kill(writer: StoreWriter) -> None:
    """Leaves a writer as a process does that is killed: nothing is withdrawn."""
    staging = writer._staging
    staging._heart.stop()
    liveness = staging._liveness
    if isinstance(liveness, OsLocks):
        liveness._alive.release(force=True)
        liveness._lock.release(force=True)
    else:
        # What others see of a writer whose heartbeats have stayed away.
        staging.place.remove([heartbeat_name(staging._writer)])
