"""What a process that writes into a store is at, for ``seds-extract status``."""

import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True)
class InHand:
    """A video that a writer works on."""

    video_id: str
    since: float
    """Seconds since 1970, by the writer's clock."""


@dataclass(frozen=True)
class TimedVideo:
    """A video and how long it took."""

    video_id: str
    seconds: float


@dataclass(frozen=True)
class WriterState:
    """What a writer is at; counts are of this run of it."""

    host: str
    pid: int
    command: str
    device: str
    """Kind of device, or several names with commas; empty where nothing is computed."""
    started: float
    """Seconds since 1970, by the writer's clock."""
    num_wanted: int = 0
    """Videos of its list that were to be done when it began."""
    num_finished: int = 0
    num_failed: int = 0
    num_frames: int = 0
    """Frames of its finished videos."""
    in_hand: tuple[InHand, ...] = ()
    slowest: tuple[TimedVideo, ...] = ()
    """Finished videos that took longest, the slowest one first."""

    @classmethod
    def of_this_process(cls, device: str = "") -> "WriterState":
        """The state of a writer that has not begun."""
        command = " ".join([PurePath(sys.argv[0]).name, *sys.argv[1:]])
        return cls(socket.gethostname(), os.getpid(), command, device, time.time())

    def to_json(self) -> bytes:
        """For its heartbeat."""
        return _STATE.dump_json(self)

    @classmethod
    def parse(cls, content: bytes) -> "WriterState | None":
        """From what :meth:`to_json` gave; ``None`` for anything else."""
        try:
            return _STATE.validate_json(content)
        except ValidationError:
            return None


_STATE: TypeAdapter[WriterState] = TypeAdapter(WriterState)


class WriterSeen(NamedTuple):
    """A writer as others see it."""

    state: WriterState
    age_s: float
    """Seconds since it was told."""
    is_alive: bool
