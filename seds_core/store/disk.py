"""A place that is a folder of a disk: files are renamed into place, and read where they lie."""

import errno
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from seds_core.files import naming, sync, sync_all, unfinished_file, unfinished_path, write_whole
from seds_core.store.block_cache import BlockCache
from seds_core.store.place import UNFINISHED, Absent, ChangedError, Seen, refuse_outside

_STALE_SECONDS = 60.0
"""A disk's file that is being replaced conditionally is given up by its process after so long."""

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""How a file system says that it has no hard links."""


class DiskPlace:
    """A folder of a disk, which need not exist; writing makes it."""

    has_only_versions = False
    reads_at_once = 1

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
        """Where a file lies; raises like :func:`refuse_outside`."""
        refuse_outside(name)
        return self.path / name

    def with_cache(self, cache: BlockCache) -> "DiskPlace":
        """The same folder: the operating system caches it."""
        return self

    def exists(self) -> bool:
        """Whether there is such a folder, or anything else of that name."""
        return self.path.exists()

    def create(self, files: Mapping[str, bytes]) -> None:
        """Makes the folder, which appears under its name only when it is complete."""
        # Under a lock, a leftover can only be a dead process's.
        unfinished = self.path.with_name(f"{self.path.name}.creating")
        shutil.rmtree(unfinished, ignore_errors=True)
        for name, content in files.items():
            path = unfinished / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with naming(path):
                path.write_bytes(content)
        # Everything is on the disk before the folder gets its name, and the name before it is used.
        sync_all([*unfinished.rglob("*"), unfinished])
        unfinished.rename(self.path)
        sync(self.path.parent)

    def look(self, name: str) -> Seen | None:
        """What is to be seen of a file without reading it; ``None`` where there is none."""
        return _look(self.path_of(name))

    def look_at(self, names: Collection[str]) -> dict[str, Seen]:
        """What is to be seen of many files; missing ones are left out."""
        looked = ((name, self.look(name)) for name in names)
        return {name: seen for name, seen in looked if seen}

    @contextmanager
    def open(self, name: str) -> Iterator["DiskFile"]:
        """A file to read parts of; raises ``FileNotFoundError`` where there is none."""
        descriptor = os.open(self.path_of(name), os.O_RDONLY)
        try:
            yield DiskFile(descriptor)
        finally:
            os.close(descriptor)

    def batch(self) -> "DiskBatch":
        """Files to write together, each beside the one that it is to replace."""
        return DiskBatch(self)

    def zarr_store(self, folder: str) -> Path:
        """A folder as Zarr opens it."""
        return self.path_of(folder)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """A file's bytes; raises ``FileNotFoundError`` where there is none."""
        with self.path_of(name).open("rb") as file:
            file.seek(start)
            return file.read(-1 if stop is None else max(stop - start, 0))

    def read_seen(self, name: str) -> tuple[bytes, Seen]:
        """A whole file, and which version of it that is; raises like :meth:`read`."""
        with self.path_of(name).open("rb") as file:
            return file.read(), _seen(os.fstat(file.fileno()))

    def write(
        self,
        name: str,
        content: bytes,
        *,
        only_if: Seen | Absent | None = None,
        is_durable: bool = True,
    ) -> Seen:
        """Writes or replaces a file; raises :class:`ChangedError` like :meth:`Place.write`."""
        path = self.path_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own, as several processes may write the same file.
        unfinished = path.with_name(f"{path.name}.{uuid4().hex}{UNFINISHED}")
        try:
            with naming(unfinished), unfinished.open("xb") as file:
                file.write(content)
                file.flush()
                if is_durable:
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
        if is_durable:
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


class DiskFile:
    """An open file of a disk; what replaces its name does not touch it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def seen(self) -> Seen:
        """What tells this version from others."""
        return _seen(os.fstat(self._descriptor))

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Bytes ``start`` to ``stop`` of each range, fewer where the file ends before."""
        return [os.pread(self._descriptor, stop - start, start) for start, stop in ranges]


class DiskBatch:
    """Files of a disk that lie beside their names until all get them."""

    def __init__(self, place: DiskPlace) -> None:
        self._place = place
        self._written: list[Path] = []
        self._num_synced = 0

    def __enter__(self) -> "DiskBatch":
        return self

    def __exit__(self, *_: object) -> None:
        """Deletes what has not got its name."""
        for path in self._written:
            unfinished_path(path).unlink(missing_ok=True)

    @contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        """A file to write to."""
        path = self._place.path_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished_file(path) as file:
            yield file
        self._written.append(path)

    def sync(self) -> None:
        """Returns when all written files are on the disk."""
        sync_all(map(unfinished_path, self._written[self._num_synced :]))
        self._num_synced = len(self._written)

    def write(self, name: str, content: bytes) -> None:
        """Writes or replaces a file at once."""
        write_whole(self._place.path_of(name), content)

    def publish(self) -> None:
        """Gives all files their names."""
        self.sync()
        folders = set()
        for path in self._written:
            # The folder of a new shard may be new itself.
            folders |= {path.parent} if path.exists() else {*path.parents}
            unfinished_path(path).replace(path)
        sync_all(folder for folder in folders if folder.is_relative_to(self._place.path))


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
