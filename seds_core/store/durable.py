"""Files that are on the disk with all they hold, or not there: also after a power cut.

A rename is atomic, but the disk may see it before the file's content, or not at all: both the file
and its folder have to be synchronised before anything that relies on it is done.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

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
    """Puts a file in the place of the one at ``path``, if there is one."""
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
