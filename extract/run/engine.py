"""The interfaces of a run: what its loop needs, and how a driver and its workers talk.

The loop (:mod:`extract.run.loop`) asks a :class:`VideoDesk` for videos and tells it what became of
them. In a run of one process the desk is the store's writer; in a worker it is a connection to the
driver, which claims videos for all workers and knows how far each has got. Where workers run, and
how messages travel, is an :class:`Engine`'s affair: processes of this machine, or actors of a Ray
cluster.
"""

import os
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeAlias, runtime_checkable

from extract.run.profile import RunProfile
from extract.videos.listing import ListedVideo
from seds_core.errors import UnavailableError, UsageError
from seds_core.store.provenance import Provenance
from seds_core.store.records import FailedVideo, FinishedVideo
from seds_core.store.writer import RecordWriter


@runtime_checkable
class VideoDesk(Protocol):
    """Where a loop's videos come from and their rows go to.

    One thread claims; another one, always the same, says what became of videos.
    """

    def claim(self) -> ListedVideo | None:
        """The next video to extract; ``None`` when there is none at present."""

    def started(self, video: ListedVideo) -> None:
        """A video's turn has come."""

    def noted(self, video: ListedVideo, note: str) -> None:
        """Something about a video's frames should be known."""

    def finish(self, video: FinishedVideo) -> None:
        """Makes a video's rows durable."""

    def fail(self, failure: FailedVideo) -> None:
        """Records why a video has no rows."""

    def give_up(self, video: ListedVideo, error: Exception) -> None:
        """The program itself failed at a video: it stays to be done by a later run."""


@dataclass(frozen=True)
class Slot:
    """Room for one worker."""

    device: str
    """What its network runs on, such as ``cuda:1``; ``cuda`` where the engine chooses the card."""
    num_decoders: int
    """Decoding processes of the worker; 0 decodes in the worker itself."""
    num_threads: int | None = None
    """Processor threads of its network; ``None`` leaves that to the libraries."""
    name: str = ""
    """What people call it; empty where its host and device do."""


@dataclass(frozen=True)
class ClusterShare:
    """Which cluster of machines a run uses, and what each worker takes of it."""

    address: str = "auto"
    num_workers: int | None = None
    """``None``: as many as the cluster has room for when the run begins."""
    gpus: float | None = None
    """GPUs of a worker; ``None``: one where the cluster has any."""
    cpus: float | None = None
    """Processors of a worker: one for the network, the others decode. ``None``: as many as
    ``run.decode_workers`` asks for, as far as a machine of the cluster has them."""


@dataclass(frozen=True)
class Begin:
    """To a worker: the store is open, and this is the way into it."""

    records: RecordWriter


@dataclass(frozen=True)
class Give:
    """To a worker: a video to extract, behind those that it has."""

    video: ListedVideo


@dataclass(frozen=True)
class Pause:
    """To a worker: there is no other video at present, so finish those in hand."""


@dataclass(frozen=True)
class Stop:
    """To a worker: there will be no other video."""


ToWorker: TypeAlias = Begin | Give | Pause | Stop


@dataclass(frozen=True)
class Ready:
    """From a worker: the network is loaded."""

    provenance: Provenance
    where: str
    """Host and device, for people."""


@dataclass(frozen=True)
class Taken:
    """From a worker: a video goes to a decoder, and there is room for another in line."""

    video_id: str


@dataclass(frozen=True)
class Started:
    """From a worker: the network has come to a video."""

    video_id: str


@dataclass(frozen=True)
class Noted:
    """From a worker: what should be known of a video's frames."""

    video_id: str
    note: str


@dataclass(frozen=True)
class Finished:
    """From a worker: a video's record is written."""

    video_id: str
    num_frames: int
    num_rows: int


@dataclass(frozen=True)
class Failed:
    """From a worker: the record of a failure is written."""

    failure: FailedVideo


@dataclass(frozen=True)
class GaveUp:
    """From a worker: the program itself failed at a video."""

    video_id: str
    error: str
    trace: str


@dataclass(frozen=True)
class Stopped:
    """From a worker, at the end: where its time went."""

    profile: RunProfile


@dataclass(frozen=True)
class Broken:
    """From a worker, at its end: the error that has ended it."""

    error: str
    trace: str
    """Empty for what the user can mend."""
    is_usage: bool = False
    """Whether the options are to blame, so that another worker would end like this one."""


@dataclass(frozen=True)
class Lost:
    """From the engine: a worker is gone, and with it the videos in its hands."""

    reason: str
    is_preempted: bool = False
    """Whether its machine is gone, for which no video is to blame."""


FromWorker: TypeAlias = (
    Ready | Taken | Started | Noted | Finished | Failed | GaveUp | Stopped | Broken | Lost
)


@runtime_checkable
class Channel(Protocol):
    """A worker's end of its connection to the driver; may be used by several threads."""

    def receive(self) -> Any:  # noqa: ANN401 - what the driver of these workers sends
        """Waits for the next message; the process ends where the driver is gone."""

    def send(self, event: Any) -> None:  # noqa: ANN401
        """Sends an event, without an answer."""


Work: TypeAlias = Callable[[Slot, Channel], None]
"""What a worker does from its beginning to its end; can be pickled."""


def settle(slot: Slot, folder: Path) -> None:
    """Makes a worker's process one like the driver's: relative paths begin in ``folder``.

    The folder may be missing on another machine.
    """
    with suppress(FileNotFoundError):
        os.chdir(folder)
    # A number of threads that the user has chosen holds for every process.
    if slot.num_threads is not None and "OMP_NUM_THREADS" not in os.environ:
        import torch  # noqa: PLC0415 - the driver imports this file, and needs no network

        torch.set_num_threads(slot.num_threads)


def do_work(work: Work, slot: Slot, channel: Channel) -> None:
    """Does a worker's work, and tells the driver of the error that ends it."""
    try:
        work(slot, channel)
    # What the user can mend is told without a trace, as in a command of one process.
    except (UsageError, UnavailableError, OSError) as error:
        channel.send(Broken(str(error), "", is_usage=isinstance(error, UsageError)))
    except Exception as error:
        trace = "".join(traceback.format_exception(error))
        channel.send(Broken(f"{type(error).__name__}: {error}", trace))


@runtime_checkable
class Engine(Protocol):
    """Runs workers somewhere, and carries messages between them and the driver.

    Use as a context manager: leaving it ends all workers at once, whatever they are doing.
    """

    @property
    def slots(self) -> list[Slot]:
        """Room for as many workers as there are to be."""

    def start(self, number: int, slot: Slot) -> None:
        """Starts a worker under a number that no worker has had, without waiting for it."""

    def tell(self, number: int, message: Any) -> None:  # noqa: ANN401
        """Sends a message, in order; a worker that is gone is reported as :class:`Lost`."""

    def next_event(self, timeout_s: float) -> tuple[int, Any] | None:
        """The next event of any worker, in each one's order; ``None`` when there is none so long.

        :class:`Lost` is a worker's last event, however it ended.
        """

    def kill(self, number: int) -> None:
        """Ends a worker at once; nothing more is heard of it."""

    def __enter__(self) -> "Engine": ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
