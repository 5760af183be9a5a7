"""Finished and failed videos, and the records of them that wait beside a store.

A record is a file that is whole or absent, so that a process that is killed loses only the video
that it was working on.
"""

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from functools import cached_property
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

    @cached_property
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
        # In C order, because equal rows in another order in memory are other bytes.
        digest.update(np.ascontiguousarray(rows[name]).data)
    return int.from_bytes(digest.digest(), "big")


class DamagedRecordError(ValueError):
    """A file that is not a record that was written here; the message says why."""


@dataclass(frozen=True)
class StagedVideo:
    """A finished video as it was read from its record."""

    video: FinishedVideo
    made: str
    """Digest of what made the rows; empty in records of earlier versions, which did not say."""


def finished_record(video: FinishedVideo, made: str) -> bytes:
    """The content of a file that keeps a finished video; ``made`` as in :class:`StagedVideo`."""
    header = {
        "source": asdict(video.source),
        "made": made,
        "rows_checksum": video.checksum,
    }
    content = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with io.BytesIO() as file:
        np.savez(file, __header__=content, **video.rows)  # type: ignore[arg-type]
        return file.getvalue()


def read_finished(content: bytes) -> StagedVideo:
    """From what :func:`finished_record` gave; raises :class:`DamagedRecordError` for anything
    else."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            rows = {name: arrays[name] for name in arrays.files}
        if "__source__" in rows:
            # An earlier version did not say what made the rows, and gave them no checksum.
            source = json.loads(rows.pop("__source__").tobytes())
            return StagedVideo(FinishedVideo(VideoSource(**source), rows), "")
        header = json.loads(rows.pop("__header__").tobytes())
        video = FinishedVideo(VideoSource(**header["source"]), rows)
        if video.checksum != header["rows_checksum"]:
            raise ValueError("its rows are not those that were written")
        return StagedVideo(video, str(header["made"]))
    except Exception as error:  # torn files fail in whatever way the zip archive does
        raise DamagedRecordError(f"{type(error).__name__}: {error}") from error


def failed_record(failure: FailedVideo) -> bytes:
    """The content of a file that keeps a failure."""
    return json.dumps(asdict(failure)).encode()


def read_failed(content: bytes) -> FailedVideo:
    """From what :func:`failed_record` gave; raises like :func:`read_finished`."""
    try:
        fields = json.loads(content)
        if not all(isinstance(value, str) for value in fields.values()):
            raise ValueError("not all of its values are texts")
        return FailedVideo(**fields)
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedRecordError(f"{type(error).__name__}: {error}") from error


def video_key(video_id: str) -> str:
    """A file name for a video, whatever its id contains."""
    encoded = video_id.encode(errors="surrogateescape")
    return hashlib.blake2b(encoded, digest_size=12).hexdigest()
