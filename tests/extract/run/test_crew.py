"""What the driver gives to which worker, and what it does about those that end; no process runs."""

from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
from finished_videos import RGB

from extract.run.crew import LOSSES_IN_A_ROW, VIDEOS_IN_LINE, Crew
from extract.run.engine import (
    Begin,
    Broken,
    Failed,
    Finished,
    GaveUp,
    Give,
    Lost,
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
from seds_core.errors import UnavailableError, UsageError
from seds_core.store.records import FailedVideo
from seds_core.store.writer import RecordWriter


class Workers:
    """An engine whose workers do, message by message, what a function says."""

    def __init__(self, num_workers, answer, provenances=()):
        self.slots = [Slot("cpu", 1, name=f"cpu #{n + 1}") for n in range(num_workers)]
        self.started, self.killed = [], []
        self.told = {}
        self._answer = answer
        self._made = deque(provenances)
        self._events = deque()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def start(self, number, slot):
        self.started.append(number)
        self.told[number] = []
        made = self._made.popleft() if self._made else RGB
        self._events.append((number, Ready(made, slot.name)))

    def tell(self, number, message):
        self.told[number].append(message)
        if isinstance(message, Stop):
            self._events.append((number, Stopped(RunProfile(1, model=1.0))))
        if isinstance(message, Give):
            self._events += [(number, event) for event in self._answer(number, message.video)]

    def next_event(self, timeout_s):
        while self._events:
            number, event = self._events.popleft()
            if number not in self.killed:
                if isinstance(event, Lost):
                    self.killed.append(number)
                return number, event
        return None

    def kill(self, number):
        self.killed.append(number)

    def given(self, number):
        return [m.video.video_id for m in self.told[number] if isinstance(m, Give)]


class Desk:
    """Gives videos, and notes what is said of them."""

    def __init__(self, ids):
        self.waiting = deque(ListedVideo(video_id, Path(f"{video_id}.mp4")) for video_id in ids)
        self.finished_ids, self.failures, self.broken, self.lost = [], [], [], []
        self.most_in_hand = self._in_hand = 0

    def claim(self):
        if not self.waiting:
            return None
        self._in_hand += 1
        self.most_in_hand = max(self.most_in_hand, self._in_hand)
        return self.waiting.popleft()

    def started(self, video):
        pass

    def noted(self, video, note):
        pass

    def finished(self, video_id, *, num_frames, num_rows, device):
        self._in_hand -= 1
        self.finished_ids.append(video_id)

    def fail(self, failure):
        self._in_hand -= 1
        self.failures.append(failure)

    failed = fail

    def gave_up(self, video, error, trace):
        self.broken.append(video.video_id)

    def worker_lost(self, where, reason, videos):
        self.lost.append(videos)


def done(video):
    video_id = video.video_id
    return [Taken(video_id), Started(video_id), Finished(video_id, 20, 3)]


def begun(crew):
    crew.begin(crew.provenance(), Begin(RecordWriter(Path("rgb.zarr"), RGB)))
    return crew


IDS = [f"video{n}" for n in range(20)]


def test_every_video_is_given_once_and_few_at_a_time():
    workers, desk = Workers(2, lambda _, video: done(video)), Desk(IDS)
    crew = begun(Crew(workers))
    crew.take_turn(desk)
    assert sorted(desk.finished_ids) == sorted(IDS)
    assert sorted(workers.given(1) + workers.given(2)) == sorted(IDS)
    assert min(len(workers.given(1)), len(workers.given(2))) >= 5
    assert desk.most_in_hand <= 2 * (VIDEOS_IN_LINE + 1)
    assert isinstance(workers.told[1][-1], Pause)
    assert sum(profile.model for profile in crew.stop()) == 2.0


def test_a_worker_that_takes_nothing_gets_no_more_than_its_line():
    def slow_first(number, video):
        return [] if number == 1 and len(desk.finished_ids) < 18 else done(video)

    workers, desk = Workers(2, slow_first), Desk(IDS)
    crew = begun(Crew(workers))
    # The first worker never answers: its two videos remain in its line.
    with pytest.raises(StopIteration):
        _run_until(crew, desk, lambda: len(desk.finished_ids) == 18)
    assert len(workers.given(1)) == VIDEOS_IN_LINE


def _run_until(crew, desk, is_enough):
    """Takes a turn, and stops in the middle of it."""
    tick = crew._tick

    def watched():
        tick()
        if is_enough():
            raise StopIteration

    crew._tick = watched
    crew.take_turn(desk)


def test_what_a_lost_worker_had_taken_is_done_alone_and_the_rest_by_anyone():
    """The third video kills its worker once; then it, and what was taken with it, goes through."""
    deaths = []

    def answer(number, video):
        if video.video_id == "video2" and not deaths:
            deaths.append(number)
            return [Taken("video2"), Lost("killed")]
        if number == 1 and not deaths:
            return [Taken(video.video_id)]  # begun, not finished
        return done(video)

    workers, desk = Workers(1, answer), Desk(IDS[:6])
    begun(Crew(workers)).take_turn(desk)
    assert sorted(desk.finished_ids) == IDS[:6]
    assert not desk.failures
    assert desk.lost == [IDS[:5]]  # two of them were in line
    told = workers.told[2][1:]
    for number, video_id in enumerate(("video0", "video1", "video2")):
        assert told[2 * number].video.video_id == video_id
        assert isinstance(told[2 * number + 1], Pause)


def test_a_video_that_kills_twice_has_failed_unless_the_machine_was_gone():
    for lost, num_failures in ((Lost("killed"), 1), (Lost("gone", is_preempted=True), 0)):
        deaths = []

        def answer(number, video, deaths=deaths, lost=lost):
            if video.video_id == "video1" and len(deaths) < 2:
                deaths.append(number)
                return [Taken("video1"), lost]
            return done(video)

        workers, desk = Workers(1, answer), Desk(IDS[:4])
        begun(Crew(workers)).take_turn(desk)
        assert len(desk.failures) == num_failures
        assert len(desk.finished_ids) == 4 - num_failures
        assert workers.started == [1, 2, 3]


def test_workers_that_only_die_end_the_run():
    workers = Workers(2, lambda _, video: [Taken(video.video_id), Lost("out of memory")])
    crew, desk = begun(Crew(workers)), Desk([f"{n}" for n in range(100)])
    with pytest.raises(UnavailableError, match=r"none has finished .*out of memory"):
        crew.take_turn(desk)
    assert len(workers.started) <= LOSSES_IN_A_ROW + 4


def test_a_worker_that_breaks_is_replaced_and_its_own_failures_are_told():
    def answer(number, video):
        if number == 1 and video.video_id == "video1":
            return [
                Taken("video1"), GaveUp("video1", "RuntimeError: CUDA", ""), Broken("CUDA", "..."),
            ]  # fmt: skip
        if video.video_id == "video2":
            failure = FailedVideo.now("video2", "video2.mp4", "it is empty")
            return [Taken("video2"), Started("video2"), Failed(failure)]
        return done(video)

    workers, desk = Workers(1, answer), Desk(IDS[:4])
    begun(Crew(workers)).take_turn(desk)
    assert desk.broken == ["video1"]
    assert [failure.reason for failure in desk.failures] == ["it is empty"]
    assert sorted(desk.finished_ids) == ["video0", "video3"]
    assert workers.started == [1, 2]


def test_a_worker_that_cannot_load_ends_the_run():
    class Unloadable(Workers):
        def start(self, number, slot):
            self._events.append((number, Broken("there is no cuda:7", "", is_usage=True)))

    with pytest.raises(UsageError, match="no cuda:7"):
        Crew(Unloadable(1, done)).provenance()


def test_a_worker_that_hangs_is_ended_and_the_video_that_hangs_again_alone_has_failed():
    """The first video waits for the second, whose frames are to fill its batch."""

    def answer(number, video):
        if number == 1:
            return [Taken(video.video_id)]
        return [Taken("video1")] if video.video_id == "video1" else done(video)

    workers, desk = Workers(1, answer), Desk(IDS[:4])
    crew = begun(Crew(workers, video_timeout=10.0))
    tick = crew._tick

    def quick():
        tick()
        crew._clock += 1.0

    crew._tick = quick
    crew.take_turn(desk)
    [failure] = desk.failures
    assert failure.video_id == "video1"
    assert "10 s (run.video_timeout)" in failure.reason
    assert sorted(desk.finished_ids) == ["video0", "video2", "video3"]
    assert workers.killed == [1, 2]
    assert crew._clock < 50


def test_workers_must_make_rows_alike():
    on_cpu, on_gpu = (replace(RGB, device=device, decoding=2) for device in ("cpu", "cuda"))
    other = replace(RGB, feature_dtype="float16")
    for second, message in ((on_gpu, "--mix-devices"), (other, "feature_dtype")):
        first = on_cpu if second is on_gpu else RGB
        crew = begun(Crew(Workers(2, lambda _, video: done(video), [first, second])))
        with pytest.raises(UsageError, match=message):
            crew.take_turn(Desk(IDS))
    crew = Crew(Workers(2, lambda _, video: done(video), [on_cpu, on_gpu]))
    made = replace(crew.provenance(), device="any")
    crew.begin(made, Begin(RecordWriter(Path("rgb.zarr"), made)))
    desk = Desk(IDS)
    crew.take_turn(desk)
    assert len(desk.finished_ids) == len(IDS)


def test_no_worker_is_started_when_nothing_is_left():
    """The last video killed two workers, and failed."""

    def answer(number, video):
        return [Taken(video.video_id), Lost("killed")] if video.video_id == "last" else done(video)

    workers, desk = Workers(1, answer), Desk(["first", "last"])
    begun(Crew(workers)).take_turn(desk)
    assert workers.started == [1, 2]
    assert desk.finished_ids == ["first"]
