"""Where a store lies: a folder of a disk, or of a bucket.

A place is a folder of files that are written whole or not at all. Names of files are relative to
it, with ``/`` between their parts: ``rows/features/c/0/0``.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol
from uuid import uuid4

from seds_core.errors import UsageError
from seds_core.files import naming, sync

StoreLocation = Path | str
"""A folder of a disk, or the URL of one of a bucket: ``s3://bucket/pose.zarr``."""

UNFINISHED = ".partial"
"""End of the names of files that are being written, or were when their process died."""

_STALE_SECONDS = 60.0
"""A disk's file that is being replaced conditionally is given up by its process after so long."""

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""How a file system says that it has no hard links."""


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


class Place(Protocol):
    """A folder of files; may be sent to another process."""

    @property
    def url(self) -> str:
        """As messages name it."""

    def below(self, name: str) -> "Place":
        """A folder of this one."""

    def beside(self, name: str) -> "Place":
        """A folder of the folder that this one lies in."""

    def look(self, name: str) -> Seen | None:
        """What is to be seen of a file without reading it; ``None`` where there is none."""

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """A file's bytes ``start`` to ``stop``, fewer where it ends before.

        Raises ``FileNotFoundError`` where there is none.
        """

    def write(self, name: str, content: bytes, *, only_if: Seen | Absent | None = None) -> Seen:
        """Writes or replaces a file, whole or not at all; it is durable on return.

        Raises :class:`ChangedError`, and changes nothing, where the file is not what ``only_if``
        says. An answer that is lost on the way from a server is made up for by comparing contents:
        what several processes may write conditionally has to say whose it is.
        """

    def remove(self, names: Iterable[str]) -> None:
        """Removes files, as far as they are there."""

    def names(self, prefix: str = "") -> Iterator[tuple[str, Seen]]:
        """All files whose names begin in this way, also those in folders, in order."""


class DiskPlace:
    """A folder of a disk, which need not exist; writing makes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def url(self) -> str:
        """The path."""
        return str(self.path)

    def __repr__(self) -> str:
        return f"DiskPlace({self.url!r})"

    def below(self, name: str) -> "DiskPlace":
        """A folder of this one."""
        return DiskPlace(self.path_of(name))

    def beside(self, name: str) -> "DiskPlace":
        """A folder of the folder that this one lies in, also for the working directory."""
        return DiskPlace(Path(os.path.abspath(self.path)).with_name(name))

    def path_of(self, name: str) -> Path:
        """Where a file lies; raises ``ValueError`` for a name that leads out of the folder."""
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or "\0" in name:
            raise ValueError(f"{name!r} is no name of a file below {self.path}")
        return self.path / parts

    def look(self, name: str) -> Seen | None:
        """What is to be seen of a file without reading it; ``None`` where there is none."""
        return _look(self.path_of(name))

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """A file's bytes; raises ``FileNotFoundError`` where there is none."""
        with self.path_of(name).open("rb") as file:
            file.seek(start)
            return file.read(-1 if stop is None else max(stop - start, 0))

    def write(self, name: str, content: bytes, *, only_if: Seen | Absent | None = None) -> Seen:
        """Writes or replaces a file; raises :class:`ChangedError` like :meth:`Place.write`."""
        path = self.path_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own, as several processes may write the same file.
        unfinished = path.with_name(f"{path.name}.{uuid4().hex}{UNFINISHED}")
        try:
            with naming(unfinished), unfinished.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                seen = _seen(os.fstat(file.fileno()))
            if only_if is None:
                unfinished.replace(path)
            elif isinstance(only_if, Absent):
                _link(unfinished, path)
            else:
                _replace_version(unfinished, path, only_if)
        finally:
            unfinished.unlink(missing_ok=True)
        sync(path.parent)
        return seen

    def remove(self, names: Iterable[str]) -> None:
        """Removes files, as far as they are there."""
        for name in names:
            with suppress(FileNotFoundError, NotADirectoryError):
                self.path_of(name).unlink()

    def names(self, prefix: str = "") -> Iterator[tuple[str, Seen]]:
        """All files whose names begin in this way, but none that is not finished."""
        folder = prefix.rpartition("/")[0]
        for name in _files_below(self.path_of(folder), f"{folder}/" if folder else ""):
            is_asked_for = name.startswith(prefix) and not name.endswith(UNFINISHED)
            # Another process may have removed it since.
            if is_asked_for and (seen := self.look(name)):
                yield name, seen


def place_of(location: StoreLocation) -> DiskPlace:
    """Where a store lies; raises :class:`UsageError` for a URL that names no bucket."""
    if isinstance(location, str) and "://" in location:
        raise UsageError(f"{location}: a store lies in a folder of a disk")
    return DiskPlace(Path(location))


def _look(path: Path) -> Seen | None:
    try:
        return _seen(os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _seen(found: os.stat_result) -> Seen:
    # An inode's number is used again once its file is gone, so size and time belong to it.
    version = f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"
    return Seen(found.st_size, version, found.st_mtime)


def _files_below(folder: Path, prefix: str) -> Iterator[str]:
    """Names of all files below a folder, in order; none where it is not there."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir():
            yield from _files_below(folder / entry.name, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name


def _link(unfinished: Path, path: Path) -> None:
    """Gives a written file its name, unless there is one of that name: then raises."""
    try:
        try:
            os.link(unfinished, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # On such a disk a kill at this moment leaves a part of the file.
            with path.open("xb") as file:
                file.write(unfinished.read_bytes())
    except FileExistsError:
        raise ChangedError(str(path)) from None


def _replace_version(unfinished: Path, path: Path, only_if: Seen) -> None:
    """Replaces a file if it is the one that was seen; raises otherwise."""
    # A disk knows no conditional rename. Whoever makes this file is the only one who may replace
    # the version that it names, without any lock, which some network disks lack.
    taken = path.with_name(f"{path.name}.{only_if.version}.taken{UNFINISHED}")
    try:
        _link(unfinished, taken)
    except ChangedError:
        # Its process may have died before the rename: then the file stands still and grows old by
        # the disk's own clock, which has just stamped the unfinished one.
        with suppress(FileNotFoundError):
            if unfinished.stat().st_mtime - taken.stat().st_mtime > _STALE_SECONDS:
                taken.unlink()
        raise ChangedError(str(path)) from None
    try:
        found = _look(path)
        if found is None or found.version != only_if.version:
            raise ChangedError(str(path))
        unfinished.replace(path)
    finally:
        taken.unlink(missing_ok=True)
