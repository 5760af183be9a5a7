"""Where a store lies: a folder of a disk, or of a bucket.

A place is a folder of files that are written whole or not at all. Names of files are relative to
it, with ``/`` between their parts: ``rows/features/c/0/0``.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, runtime_checkable

from seds_core.store.block_cache import BlockCache

StoreLocation = Path | str
"""A folder of a disk, or the URL of one of a bucket: ``s3://bucket/pose.zarr``."""

UNFINISHED = ".partial"
"""End of the names of files that are being written, or were when their process died."""


def refuse_outside(name: str) -> None:
    """Raises ``ValueError`` for a name that leads out of its place."""
    if name.startswith("/") or "\0" in name or ".." in name.split("/"):
        raise ValueError(f"{name!r} is no name of a file within a store")


class Seen(NamedTuple):
    """What tells a file from an earlier or later one of the same name."""

    num_bytes: int
    version: str
    """Another after every write; in a bucket, after every write of other content."""
    modified: float
    """Seconds since 1970, by the clock of where the file lies."""


@dataclass(frozen=True)
class Absent:
    """For conditional writes: there must be no such file."""


class ChangedError(RuntimeError):
    """A file is not, or no longer, what a conditional write expects; the message names it."""

    def __init__(self, url: str) -> None:
        self.url = url
        super().__init__(f"{url} has been changed by another process")

    def __reduce__(self) -> tuple[type["ChangedError"], tuple[str]]:
        return type(self), (self.url,)


@runtime_checkable
class OpenFile(Protocol):
    """One version of a file: all that is read comes from it, whatever replaces it meanwhile."""

    @property
    def seen(self) -> Seen:
        """What tells this version from others."""

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Bytes ``start`` to ``stop`` of each range, fewer where the file ends before.

        Raises :class:`ChangedError` where a place keeps no version that has been replaced.
        """


@runtime_checkable
class Batch(Protocol):
    """Files of a place that are written first and all get their names later.

    Use as a context manager, under a lock: leaving it drops what has not got its name.
    """

    def __enter__(self) -> "Batch": ...

    def __exit__(self, *_: object) -> None: ...

    def file(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file to write to."""

    def sync(self) -> None:
        """Returns when what has been written is as durable as it can be without a name."""

    def write(self, name: str, content: bytes) -> None:
        """Writes or replaces a file at once, like :meth:`Place.write`.

        Raises :class:`ChangedError` where another process has written it since the batch began, as
        far as nothing but this keeps two writers apart.
        """

    def publish(self) -> None:
        """Gives all files their names; raises like :meth:`write`."""


@runtime_checkable
class ReadableFiles(Protocol):
    """What reading parts of files takes."""

    @property
    def url(self) -> str:
        """As messages name it."""

    def look(self, name: str) -> Seen | None:
        """What is to be seen of a file without reading it; ``None`` where there is none."""

    def open(self, name: str) -> AbstractContextManager[OpenFile]:
        """A file to read parts of; raises ``FileNotFoundError`` where there is none."""


@runtime_checkable
class Place(ReadableFiles, Protocol):
    """A folder of files; may be sent to another process."""

    has_only_versions: bool
    """Whether nothing but conditional writes keeps a writer out whose lock was taken over."""
    reads_at_once: int
    """How many threads make reading many files faster."""

    def below(self, name: str) -> "Place":
        """A folder of this one."""

    def beside(self, name: str) -> "Place":
        """A folder of the folder that this one lies in."""

    def with_cache(self, cache: BlockCache) -> "Place":
        """The same folder, whose files are read in part through a cache, if they lie far away."""

    def exists(self) -> bool:
        """Whether there is such a folder, or any file in it."""

    def create(self, files: Mapping[str, bytes]) -> None:
        """Makes the folder with these files, the last of which says that it is complete."""

    def look_at(self, names: Collection[str]) -> dict[str, Seen]:
        """What is to be seen of many files; missing ones are left out."""

    def batch(self) -> Batch:
        """Files to write together."""

    def zarr_store(self, folder: str) -> Any:  # noqa: ANN401 - one of several types of Zarr's
        """A folder as Zarr opens it."""

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """A file's bytes ``start`` to ``stop``, fewer where it ends before.

        Raises ``FileNotFoundError`` where there is none.
        """

    def read_seen(self, name: str) -> tuple[bytes, Seen]:
        """A whole file, and which version of it that is; raises like :meth:`read`."""

    def write(
        self,
        name: str,
        content: bytes,
        *,
        only_if: Seen | Absent | None = None,
        is_durable: bool = True,
    ) -> Seen:
        """Writes or replaces a file, whole or not at all.

        It is durable on return, unless it need not be: then a loss of power may empty or undo it.
        Raises :class:`ChangedError`, and changes nothing, where the file is not what ``only_if``
        says. An answer that is lost on the way from a server is made up for by comparing contents:
        what several processes may write conditionally has to say whose it is.
        """

    def remove(self, names: Iterable[str]) -> None:
        """Removes files, as far as they are there."""

    def names(self, prefix: str = "") -> Iterator[tuple[str, Seen]]:
        """All files whose names begin in this way, also those in folders, in order."""


def place_of(location: StoreLocation) -> Place:
    """Where a store lies.

    Raises :class:`UsageError` for a URL that names no bucket, and
    :class:`~seds_core.errors.UnavailableError` without the package that reaches one.
    """
    if isinstance(location, str) and "://" in location:
        from seds_core.store.bucket import BucketPlace  # noqa: PLC0415 - needs an optional extra

        return BucketPlace(location)
    from seds_core.store.disk import DiskPlace  # noqa: PLC0415 - which is written on this file

    return DiskPlace(Path(location))


def absolute(location: StoreLocation) -> str:
    """The same location, from whatever folder it is looked at."""
    return (
        location if isinstance(location, str) and "://" in location else os.path.abspath(location)
    )
