"""Encodes videos in several processes, on the devices of this machine or of a cluster.

Each worker has the model and the stores open, and encodes a run of videos at a time; the driver
puts the runs into their order again and adds them, so that an index is the one that a single
process makes.
"""

from bisect import insort
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from extract.run.engine import Broken, Channel, Engine, Lost, Slot, Stop, settle
from search.index.encoding import TokenEncoder
from search.index.entries import EncodedVideo, encoded_videos
from search.index.identity import IndexIdentity
from search.index.records import EntryRecord
from search.index.sources import VideoSources, open_sources
from seds_core.console import messages
from seds_core.device import choose_device
from seds_core.errors import UnavailableError, UsageError
from train.evaluation.load_model import load_run
from train.settings import DataSettings

BATCHES_OF_A_RUN = 8
"""Of whole videos: reading processes begin anew with each run."""

RECORDINGS_OF_A_RUN = 4
"""Of recordings that are cut into windows, which may be thousands each."""

_RUNS_AHEAD = 2
"""Runs a worker that may be encoded before their turn to be added."""

# A run at which two workers have ended would end every other one.
_MOST_LOSSES = 2

_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class RunOfVideos:
    """To a worker: videos to encode, in their order."""

    number: int
    video_ids: tuple[str, ...]
    described: dict[str, EntryRecord]
    """What the index knows of those that no table describes."""


@dataclass(frozen=True)
class Ready:
    """From a worker: the model is loaded."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """From a worker: the next video of its run."""

    video: EncodedVideo


@dataclass(frozen=True)
class RunEnded:
    """From a worker: all videos of its run have been sent."""


@dataclass(frozen=True)
class EncodingWork:
    """What the workers of a build do: an ``extract.run.engine.Work``."""

    identity: IndexIdentity
    checkpoint: Path
    data: DataSettings
    batch_size: int
    folder: Path
    """Where relative paths begin, also on another machine."""

    def __call__(self, slot: Slot, channel: Channel) -> None:
        """Encodes runs until the driver has no more."""
        settle(slot, self.folder)
        device = choose_device(slot.device)
        encoder = TokenEncoder.of_run(load_run(self.checkpoint, device), self.identity, device)
        data = self.data
        sources = open_sources(
            self.identity,
            rgb=data.rgb, pose=data.pose, index=data.index, checkpoint=self.checkpoint,
        )  # fmt: skip
        channel.send(Ready())
        while isinstance(run := channel.receive(), RunOfVideos):
            sources.described.update(run.described)
            for video in encoded_videos(
                sources, run.video_ids, encoder,
                batch_size=self.batch_size, workers=slot.num_decoders,
            ):  # fmt: skip
                channel.send(Encoded(video))
            channel.send(RunEnded())


@dataclass
class _Worker:
    """What the driver knows of a worker."""

    slot: Slot
    is_ready: bool = False
    run: RunOfVideos | None = None
    """What it encodes."""
    videos: list[EncodedVideo] = field(default_factory=list)
    """What has come of that."""


class EncodingCrew:
    """Workers of a build, and the runs that they are at. Use within the engine's context."""

    def __init__(self, engine: Engine, runs: Sequence[RunOfVideos]) -> None:
        """Starts the workers, no more than there are runs."""
        self._engine = engine
        self._todo = deque(runs)
        self._workers: dict[int, _Worker] = {}
        self._num_started = 0
        # By run; ``None`` for workers that had none.
        self._losses: dict[int | None, int] = {}
        # Runs that are encoded and wait for those before them.
        self._done: dict[int, list[EncodedVideo]] = {}
        for slot in engine.slots[: len(runs)]:
            self._start(slot)

    def videos(self) -> Iterator[EncodedVideo]:
        """The videos of all runs, in their order.

        Raises what ended a worker where that cannot be mended by another one.
        """
        for number in range(len(self._todo)):
            while number not in self._done:
                for worker in list(self._workers):
                    self._give(worker, number)
                event = self._engine.next_event(_SECONDS_BETWEEN_LOOKS)
                if event is not None:
                    self._handle(*event)
            yield from self._done.pop(number)
        for worker in self._workers:
            self._engine.tell(worker, Stop())

    def _start(self, slot: Slot) -> None:
        self._num_started += 1
        self._workers[self._num_started] = _Worker(slot)
        self._engine.start(self._num_started, slot)

    def _give(self, number: int, turn: int) -> None:
        """Gives an idle worker the next run, unless too many would wait for their turn."""
        worker = self._workers[number]
        ahead = turn + _RUNS_AHEAD * len(self._workers)
        if worker.is_ready and worker.run is None and self._todo and self._todo[0].number < ahead:
            worker.run, worker.videos = self._todo.popleft(), []
            self._engine.tell(number, worker.run)

    def _handle(self, number: int, event: object) -> None:
        worker = self._workers[number]
        match event:
            case Ready():
                worker.is_ready = True
            case Encoded(video):
                worker.videos.append(video)
            case RunEnded():
                assert worker.run is not None
                self._done[worker.run.number], worker.run = worker.videos, None
            case Broken(error, trace, is_usage):
                if trace:
                    messages.print(trace, markup=False)
                raise UsageError(error) if is_usage else UnavailableError(error)
            case Lost():
                self._replace(number, event)

    def _replace(self, number: int, lost: Lost) -> None:
        """Has another worker do what a lost one had in hand."""
        worker = self._workers.pop(number)
        if worker.run is not None:
            # In order again: a run whose turn it is may not wait behind one that is held back.
            insort(self._todo, worker.run, key=lambda run: run.number)
        elif not self._todo:
            return  # others are at the last runs
        # Loading may be what ends them.
        run = None if worker.run is None else worker.run.number
        self._losses[run] = self._losses.get(run, 0) + (not lost.is_preempted)
        if self._losses[run] >= _MOST_LOSSES:
            at = f" at the videos from '{worker.run.video_ids[0]}' on" if worker.run else ""
            raise UnavailableError(
                f"two workers have ended{at}: {lost.reason}. What was added is kept; the same "
                "command goes on, with fewer --devices or a smaller --batch if memory was short"
            )
        messages.print(f"a worker was lost, its videos are encoded again: {lost.reason}")
        self._start(worker.slot)


def runs_of(sources: VideoSources, video_ids: Sequence[str], size: int) -> Iterator[RunOfVideos]:
    """Cuts videos into runs of ``size``, with what the workers cannot know of them."""
    for number, first in enumerate(range(0, len(video_ids), size)):
        some = tuple(video_ids[first : first + size])
        described = {v: sources.described[v] for v in some if v in sources.described}
        yield RunOfVideos(number, some, described)


def encoded_by_workers(
    engine: Engine, sources: VideoSources, video_ids: Sequence[str], work: EncodingWork
) -> Generator[EncodedVideo, None, None]:
    """Encodes videos like :func:`~search.index.entries.encoded_videos`, by an engine's workers."""
    # Whole batches, so that videos share theirs with the same others as in one process.
    size = BATCHES_OF_A_RUN * work.batch_size
    if work.identity.windows is not None:
        size = RECORDINGS_OF_A_RUN
    with engine:
        yield from EncodingCrew(engine, list(runs_of(sources, video_ids, size))).videos()
