"""Files that are written whole or not at all, and checked against what was written.

A rename is atomic, but the disk may see it before the file's content, or not at all: both the file
and its folder have to be synchronised before anything that relies on it is done.
"""

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import google_crc32c

from seds_core.errors import UsageError

SYNCING_THREADS = 32
"""File systems write in one go what several threads wait for: 80 files in the time of 10."""


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which appears under its name when the block ends without an error."""
    with unfinished_file(path) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    unfinished_path(path).replace(path)
    sync(path.parent)


@contextmanager
def unfinished_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to beside ``path``, which is deleted when the block ends with an error."""
    unfinished = unfinished_path(path)
    try:
        with naming(unfinished), unfinished.open("wb") as file:
            yield file
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def unfinished_path(path: Path) -> Path:
    """Where a file lies until it is whole."""
    return path.with_name(f"{path.name}.partial")


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file, or replaces the one at ``path``."""
    with whole_file(path) as file:
        file.write(content)


def sync(path: Path) -> None:
    """Returns when a file's content, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(paths: Iterable[Path]) -> None:
    """Like :func:`sync`, for many at once."""
    with ThreadPoolExecutor(SYNCING_THREADS) as pool:
        list(pool.map(sync, paths))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Tells which file it was to an error that does not know, such as a full disk's."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


_BLOCK_BYTES = 2**20

_REPLACING = "replacing.json"
"""While files are replaced: what may be found under their names beside what was committed."""


class DamagedStoreError(UsageError):
    """A store that is not what was written; the message names it and says how to go on.

    ``what`` is wrong, as a clause.
    """

    def __init__(self, store_path: Path, what: str) -> None:
        self.store_path, self.what = store_path, what
        super().__init__(f"{store_path} is damaged: {what}. {self._advice()}")

    def _advice(self) -> str:
        return (
            f"'seds-extract verify {self.store_path}' tells all that is wrong, and 'seds-extract "
            f"repair {self.store_path}' drops the damaged videos, so that the command that made "
            "the store does them again."
        )

    def __reduce__(self) -> tuple[type["DamagedStoreError"], tuple[Path, str]]:
        # For workers, which send their errors to another process.
        return type(self), (self.store_path, self.what)


class DamagedRootError(DamagedStoreError):
    """A store whose root is not what was written: nothing tells what the store holds."""

    def _advice(self) -> str:
        return "Take that file from a copy of the store; without one, only a new store helps."


class FileChecksum(NamedTuple):
    """What tells a file from a damaged one."""

    num_bytes: int
    crc32c: int

    @classmethod
    def of(cls, path: Path) -> "FileChecksum":
        """Reads the file."""
        crc32c = num_bytes = 0
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                crc32c = google_crc32c.extend(crc32c, block)
                num_bytes += len(block)
        return cls(num_bytes, crc32c)

    @classmethod
    def parse(cls, text: str) -> "FileChecksum":
        """From what ``str`` gives."""
        num_bytes, crc32c = text.split()
        return cls(int(num_bytes), int(crc32c, 16))

    def __str__(self) -> str:
        """One line of the store's attributes."""
        return f"{self.num_bytes} {self.crc32c:08x}"


@dataclass(frozen=True)
class Replacement:
    """A file that is written, but not yet under its name."""

    path: Path
    checksum: FileChecksum

    @property
    def unfinished(self) -> Path:
        """Where it lies."""
        return unfinished_path(self.path)


@dataclass
class Replacements:
    """Files of a store that change together.

    Until all are in place and the store's root names their checksums, ``replacing.json`` says which
    others may be met, so that a process may die in between without anything looking damaged.
    """

    store_path: Path
    _written: list[Replacement] = field(default_factory=list)
    _num_synced: int = 0

    def __enter__(self) -> "Replacements":
        return self

    def __exit__(self, *_: object) -> None:
        """Deletes what has not been put in place."""
        for replacement in self._written:
            replacement.unfinished.unlink(missing_ok=True)

    def add(self, replacements: Iterable[Replacement]) -> None:
        """Takes written files, which get their names with the others."""
        for replacement in replacements:  # which are written meanwhile
            self._written.append(replacement)

    def sync(self) -> None:
        """Returns when all written files are on the disk."""
        sync_all(replacement.unfinished for replacement in self._written[self._num_synced :])
        self._num_synced = len(self._written)

    def put_in_place(self) -> dict[str, FileChecksum]:
        """Replaces all files, and gives their names within the store and checksums."""
        if not self._written:
            return {}
        self.sync()
        names = {r.path.relative_to(self.store_path).as_posix(): r for r in self._written}
        expected = read_replacing(self.store_path)
        for name, replacement in names.items():
            expected[name] = (*expected.get(name, ()), replacement.checksum)
        listed = {name: list(map(str, checksums)) for name, checksums in expected.items()}
        write_whole(self.store_path / _REPLACING, json.dumps(listed).encode())
        folders = set()
        for replacement in self._written:
            path = replacement.path  # the folder of a new shard may be new itself
            folders |= {path.parent} if path.exists() else {*path.parents}
            replacement.unfinished.replace(path)
        sync_all(folder for folder in folders if folder.is_relative_to(self.store_path))
        return {name: replacement.checksum for name, replacement in names.items()}

    def committed(self) -> None:
        """The store's root names the new checksums now."""
        (self.store_path / _REPLACING).unlink(missing_ok=True)


def read_replacing(store_path: Path) -> dict[str, tuple[FileChecksum, ...]]:
    """What may be found under the names of files, beside what is committed."""
    try:
        listed = json.loads((store_path / _REPLACING).read_bytes())
        return {name: tuple(map(FileChecksum.parse, texts)) for name, texts in listed.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError):  # damaged: then it vouches for nothing
        return {}
