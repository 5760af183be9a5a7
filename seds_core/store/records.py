"""One finished or failed video as a file that is whole or absent.

These records wait beside the store until they are packed into it, so that a process may be killed
at any moment and loses only the video that it was working on.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np


@dataclass(frozen=True)
class VideoSource:
    """What is known of a video beside its rows; the fields are columns of the store's table."""

    video_id: str
    path: str
    size_bytes: int
    mtime_ns: int
    content_hash: str
    num_frames: int
    frame_step: int
    fps: float
    duration: float
    width: int
    height: int


@dataclass(frozen=True)
class FinishedVideo:
    """A video with all of its rows (array name -> values, first axis ``row``)."""

    source: VideoSource
    rows: dict[str, np.ndarray]

    @property
    def num_rows(self) -> int:
        """Number of rows, the same in every array."""
        return len(next(iter(self.rows.values())))

    @property
    def checksum(self) -> int:
        """Checksum of the rows, as stored in the table of videos."""
        return rows_checksum(self.rows)


@dataclass(frozen=True)
class FailedVideo:
    """Why a video could not be extracted."""

    video_id: str
    path: str
    reason: str
    attempt: str = ""
    """Tells this attempt from others at the same video."""

    @classmethod
    def now(cls, video_id: str, path: str, reason: str) -> "FailedVideo":
        """A failure that has just happened."""
        return cls(video_id, path, reason, attempt=uuid4().hex)


def rows_checksum(rows: dict[str, np.ndarray]) -> int:
    """First 8 bytes of BLAKE2b over the arrays' bytes, in the order of their names."""
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(rows):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(rows[name]).data)
    return int.from_bytes(digest.digest(), "big")


def write_finished(path: Path, video: FinishedVideo) -> None:
    """Writes a record durably; ``path`` exists afterwards with all of it, or not at all."""
    unfinished = path.with_suffix(".partial")
    with unfinished.open("wb") as file:
        source = json.dumps(asdict(video.source)).encode()
        np.savez(file, __source__=np.frombuffer(source, np.uint8), **video.rows)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def read_finished(path: Path) -> FinishedVideo:
    """Reads what :func:`write_finished` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        rows = {name: arrays[name] for name in arrays.files}
    source = json.loads(rows.pop("__source__").tobytes())
    return FinishedVideo(VideoSource(**source), rows)


def write_failed(path: Path, failure: FailedVideo) -> None:
    """Writes a failure; ``path`` exists afterwards with all of it, or not at all."""
    unfinished = path.with_suffix(".partial")
    unfinished.write_text(json.dumps(asdict(failure)), encoding="utf-8")
    unfinished.rename(path)


def read_failed(path: Path) -> FailedVideo:
    """Reads what :func:`write_failed` wrote."""
    return FailedVideo(**json.loads(path.read_text(encoding="utf-8")))
