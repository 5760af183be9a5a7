"""The driver's side of many workers: hands videos out, follows each, replaces what dies.

A worker always has a few videos in line behind those that its decoders and its network have taken;
it gets another whenever it takes one, so that fast workers get more and none holds many. Of a
worker that dies, the videos in its hands are done again by others. One of those that it had taken
may have been the cause: each of them is given to a worker that has nothing else, and where that one
dies too, the video has failed.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from extract.run.engine import (
    Begin,
    Broken,
    Engine,
    Failed,
    Finished,
    FromWorker,
    GaveUp,
    Give,
    Lost,
    Noted,
    Pause,
    Ready,
    Slot,
    Started,
    Stop,
    Stopped,
    Taken,
)
from extract.run.profile import RunProfile
from extract.videos.listing import ListedVideo
from seds_core.console import messages
from seds_core.errors import UnavailableError, UsageError
from seds_core.store.provenance import Provenance
from seds_core.store.records import FailedVideo

VIDEOS_IN_LINE = 2
"""Videos that wait at a worker to be taken, so that it need not wait for an answer."""

LOSSES_IN_A_ROW = 10
"""Workers that may end, beside as many as there are at once, before one finishes a video."""

# One look counts for at most so long, however long the computer slept meanwhile.
_LONGEST_LOOK = 2.0
_SECONDS_BETWEEN_LOOKS = 0.5

# What a worker may take to end after its last video.
_SECONDS_TO_STOP = 30.0

_SECONDS_UNTIL_TOLD = 60.0


@runtime_checkable
class DriverDesk(Protocol):
    """Where a driver's videos come from, and what it tells of them."""

    def claim(self) -> ListedVideo | None:
        """The next video to extract; ``None`` when there is none at present."""

    def started(self, video: ListedVideo) -> None:
        """A worker's network has come to a video."""

    def noted(self, video: ListedVideo, note: str) -> None:
        """Something about a video's frames should be known."""

    def finished(self, video_id: str, *, num_frames: int, num_rows: int, device: str) -> None:
        """A worker has written a video's record."""

    def failed(self, failure: FailedVideo) -> None:
        """A worker has written the record of a failure."""

    def fail(self, failure: FailedVideo) -> None:
        """A video has failed of which no worker could tell."""

    def gave_up(self, video: ListedVideo, error: str, trace: str) -> None:
        """A worker's program has failed at a video, which stays to be done by a later run."""

    def worker_lost(self, where: str, reason: str, video_ids: Sequence[str]) -> None:
        """A worker has ended with these videos in its hands."""


@dataclass
class _Hands:
    """What the driver knows of a worker."""

    slot: Slot
    where: str
    """For people."""
    is_ready: bool = False
    in_line: dict[str, ListedVideo] = field(default_factory=dict)
    taken: dict[str, ListedVideo] = field(default_factory=dict)
    """In the order of taking, which is that of finishing too."""
    turn_began: float = 0.0
    """When the first of them had no other before it."""
    is_paused: bool = False
    """Whether it has been told to finish what it has."""
    is_alone_with: str = ""
    """The one video that it is given, because a worker has died of it or of another."""

    @property
    def is_empty(self) -> bool:
        return not self.in_line and not self.taken


class Crew:
    """The workers of a run. Use it within the context of its engine."""

    def __init__(self, engine: Engine, video_timeout: float | None = None) -> None:
        """Starts the workers; a video may take ``video_timeout`` seconds once it is its turn."""
        self._engine = engine
        self._video_timeout = video_timeout
        self._workers: dict[int, _Hands] = {}
        self._num_started = 0
        # Seconds, without those in which this process was suspended.
        self._clock = 0.0
        self._last_look = time.monotonic()
        # Videos that a dead worker had in hand: those it had not taken, and those it had.
        self._returned: deque[ListedVideo] = deque()
        self._suspects: deque[ListedVideo] = deque()
        # Where a worker has ended and none has been started since.
        self._vacant: list[Slot] = []
        self._losses_in_a_row = 0
        self._is_dry = False
        self._profiles: list[RunProfile] = []
        # How the first worker makes rows, and what lets workers begin once the store is open.
        self._made: Provenance | None = None
        self._begin: Begin | None = None
        for slot in engine.slots:
            self._start(slot)

    def provenance(self) -> Provenance:
        """Waits for the first worker, and returns how it makes rows; raises what loading raised."""
        told = False
        while self._made is None:
            event = self._engine.next_event(_SECONDS_BETWEEN_LOOKS)
            self._tick()
            if event is not None:
                self._handle(*event, None)
                while self._vacant:
                    self._start(self._vacant.pop())
            elif self._clock > _SECONDS_UNTIL_TOLD and not told:
                told = True
                messages.print(f"waiting for the first of {len(self._workers)} workers")
        return self._made

    def begin(self, made: Provenance, begin: Begin) -> None:
        """Lets the workers into the store, whose rows are ``made`` so."""
        self._made, self._begin = made, begin
        for number, hands in self._workers.items():
            if hands.is_ready:
                self._engine.tell(number, begin)

    def take_turn(self, desk: DriverDesk) -> None:
        """Has the workers extract videos until the desk has none and none is in anyone's hands."""
        self._is_dry = False
        while True:
            # What is left may need no other worker.
            while self._vacant and self._has_more(desk):
                self._start(self._vacant.pop())
            for number in list(self._workers):
                self._give(number, desk)
            if self._is_dry and self._has_nothing_in_hand:
                return
            event = self._engine.next_event(_SECONDS_BETWEEN_LOOKS)
            self._tick()
            if event is not None:
                self._handle(*event, desk)
            self._end_late_workers(desk)

    def stop(self) -> list[RunProfile]:
        """Ends the workers, and returns where the time of each went that lived so long."""
        for number, hands in list(self._workers.items()):
            if hands.is_ready:
                self._engine.tell(number, Stop())
            else:
                self._drop(number)
        deadline = self._clock + _SECONDS_TO_STOP
        while self._workers and self._clock < deadline:
            event = self._engine.next_event(_SECONDS_BETWEEN_LOOKS)
            self._tick()
            if event is None:
                continue
            number, message = event
            if isinstance(message, Stopped):
                self._profiles.append(message.profile)
            if isinstance(message, Stopped | Lost):
                self._workers.pop(number, None)
        return self._profiles

    @property
    def _has_nothing_in_hand(self) -> bool:
        waiting = self._returned or self._suspects
        return not waiting and all(hands.is_empty for hands in self._workers.values())

    def _start(self, slot: Slot) -> None:
        self._num_started += 1
        self._workers[self._num_started] = _Hands(slot, slot.name or f"worker {self._num_started}")
        self._engine.start(self._num_started, slot)

    def _drop(self, number: int) -> None:
        self._engine.kill(number)
        del self._workers[number]

    def _tick(self) -> None:
        now = time.monotonic()
        self._clock += min(now - self._last_look, _LONGEST_LOOK)
        self._last_look = now

    def _give(self, number: int, desk: DriverDesk) -> None:
        """Keeps a worker's line filled; one that has nothing takes what a dead one had begun."""
        hands = self._workers[number]
        if not hands.is_ready or (hands.is_alone_with and not hands.is_empty):
            return
        hands.is_alone_with = ""
        if self._suspects and hands.is_empty:
            suspect = self._suspects.popleft()
            hands.is_alone_with = suspect.video_id
            self._hand_over(number, suspect)
            self._pause(number)
            return
        while len(hands.in_line) < VIDEOS_IN_LINE:
            video = self._next(desk)
            if video is None:
                self._pause(number)
                return
            self._hand_over(number, video)

    def _has_more(self, desk: DriverDesk) -> bool:
        """Whether there is a video that no worker has."""
        if not self._returned and not self._suspects and (video := self._next(desk)):
            self._returned.append(video)
        return bool(self._returned or self._suspects)

    def _next(self, desk: DriverDesk) -> ListedVideo | None:
        if self._returned:
            return self._returned.popleft()
        video = None if self._is_dry else desk.claim()
        self._is_dry = video is None
        return video

    def _hand_over(self, number: int, video: ListedVideo) -> None:
        hands = self._workers[number]
        hands.in_line[video.video_id] = video
        hands.is_paused = False
        self._engine.tell(number, Give(video))

    def _pause(self, number: int) -> None:
        hands = self._workers[number]
        if not hands.is_paused:
            hands.is_paused = True
            self._engine.tell(number, Pause())

    def _handle(self, number: int, event: FromWorker, desk: DriverDesk | None) -> None:
        hands = self._workers.get(number)
        if hands is None:
            return  # given up meanwhile
        match event:
            case Ready():
                self._welcome(number, event)
            case Taken(video_id):
                if not hands.taken:
                    hands.turn_began = self._clock
                hands.taken[video_id] = hands.in_line.pop(video_id)
            case Lost() | Broken():
                self._replace(number, event, desk)
            case Stopped(profile):
                self._profiles.append(profile)
            case _:
                assert desk is not None
                self._pass_on(hands, event, desk)

    def _welcome(self, number: int, ready: Ready) -> None:
        hands = self._workers[number]
        hands.is_ready, hands.where = True, ready.where
        if self._made is None:
            self._made = ready.provenance
        elif self._made.digest() != ready.provenance.digest():
            # The device may differ where the store takes rows of any.
            same_device = self._made.accepts_device_of(ready.provenance)
            differences = self._made.differences(ready.provenance)
            if differences or not same_device:
                listed = "; ".join(differences) or (
                    f"device: {self._made.device} / {ready.provenance.device}; allow both with "
                    "--mix-devices"
                )
                raise UsageError(f"the workers make rows differently, {ready.where}: {listed}")
        if self._begin is not None:
            self._engine.tell(number, self._begin)

    def _pass_on(self, hands: _Hands, event: FromWorker, desk: DriverDesk) -> None:
        """Tells the desk what a worker has done."""
        match event:
            case Started(video_id):
                desk.started(hands.taken[video_id])
            case Noted(video_id, note):
                desk.noted(hands.taken[video_id], note)
            case GaveUp(video_id, error, trace):
                desk.gave_up(hands.taken.pop(video_id), error, trace)
                hands.turn_began = self._clock
            case Finished(video_id, num_frames, num_rows):
                desk.finished(
                    video_id, num_frames=num_frames, num_rows=num_rows, device=hands.where
                )
                self._is_done(hands, video_id)
            case Failed(failure):
                desk.failed(failure)
                self._is_done(hands, failure.video_id)

    def _is_done(self, hands: _Hands, video_id: str) -> None:
        del hands.taken[video_id]
        hands.turn_began = self._clock
        self._losses_in_a_row = 0

    def _replace(self, number: int, end: Lost | Broken, desk: DriverDesk | None) -> None:
        """Takes a worker's place for another one, and its videos back."""
        reason = end.reason if isinstance(end, Lost) else end.error
        if isinstance(end, Broken):
            # Its process may still be there, about to end.
            self._engine.kill(number)
            if end.is_usage or self._made is None:
                _raise(end)
        is_preempted = isinstance(end, Lost) and end.is_preempted
        hands = self._workers[number]
        self._losses_in_a_row += not is_preempted
        if self._losses_in_a_row >= LOSSES_IN_A_ROW + len(self._engine.slots):
            raise UnavailableError(
                f"{self._losses_in_a_row} workers have ended, one after the other, and none has "
                f"finished a video meanwhile; the last one, {hands.where}: {reason}"
            )
        self._vacate(number, reason, desk, is_preempted=is_preempted)

    def _vacate(
        self, number: int, reason: str, desk: DriverDesk | None, *, is_preempted: bool = False
    ) -> None:
        hands = self._workers.pop(number)
        self._vacant.append(hands.slot)
        if desk is None:
            return
        desk.worker_lost(hands.where, reason, [*hands.taken, *hands.in_line])
        self._returned.extend(hands.in_line.values())
        if is_preempted:
            self._returned.extend(hands.taken.values())
        elif hands.is_alone_with in hands.taken:
            [video] = hands.taken.values()
            why = f"two workers have ended while they were at work on it: {reason}"
            desk.fail(FailedVideo.now(video.video_id, video.source_name, why))
        else:
            self._suspects.extend(hands.taken.values())

    def _end_late_workers(self, desk: DriverDesk) -> None:
        """Ends workers that have been too long at their first video, or at one behind it."""
        limit = self._video_timeout
        for number, hands in list(self._workers.items()):
            if limit is not None and hands.taken and self._clock - hands.turn_began >= limit:
                self._engine.kill(number)
                # The first may only wait for the next one, whose frames fill the same batch.
                self._vacate(number, f"no video done in {limit:g} s (run.video_timeout)", desk)


def _raise(end: Broken) -> None:
    if end.trace:
        messages.print(end.trace, markup=False)
    raise UsageError(end.error) if end.is_usage else UnavailableError(end.error)
