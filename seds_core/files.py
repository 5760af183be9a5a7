"""Files that are written whole or not at all, and what tells them apart.

A rename is atomic, but the disk may see it before the file's content, or not at all: both the file
and its folder have to be synchronised before anything that relies on it is done.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

SYNCING_THREADS = 32
"""File systems write in one go what several threads wait for: 80 files in the time of 10."""


@contextmanager
def whole_file(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write to, which appears under its name when the block ends without an error.

    What is not ``durable`` can be made again: it may be lost in a power cut, and several processes
    may write it at once.
    """
    # The process's id in the name keeps apart the processes that write the same file.
    if not durable:
        with unfinished_file(path, f"{os.getpid()}.part") as file:
            yield file
        unfinished_path(path, f"{os.getpid()}.part").replace(path)
        return
    with unfinished_file(path) as file:
        yield file
        # fsync sees what the kernel holds: Python's own buffer has to be emptied first.
        file.flush()
        os.fsync(file.fileno())
    unfinished_path(path).replace(path)
    sync(path.parent)


@contextmanager
def unfinished_file(path: Path, suffix: str = "partial") -> Iterator[BinaryIO]:
    """A file to write to beside ``path``, which is deleted when the block ends with an error."""
    unfinished = unfinished_path(path, suffix)
    if unfinished.exists():  # left by a process that died; it may be a second name of another file
        unfinished.unlink()
    try:
        with naming(unfinished), unfinished.open("w+b") as file:
            yield file
    # Ctrl-C too: whatever ends the block, nothing unfinished is left behind.
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def unfinished_path(path: Path, suffix: str = "partial") -> Path:
    """Where a file lies until it is whole."""
    return path.with_name(f"{path.name}.{suffix}")


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Writes or replaces a file, like :func:`whole_file`."""
    with whole_file(path, durable=durable) as file:
        file.write(content)


def cache_dir() -> Path:
    """The folder of what can be had again: ``$SEDS_CACHE``, or ``~/.cache/seds``."""
    configured = os.environ.get("SEDS_CACHE")
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "seds"


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Returns when a file's content, or a folder's names, are on the disk."""
    # A bare descriptor, because Python's open takes no folders.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(paths: Iterable[Path]) -> None:
    """Like :func:`sync`, for many at once."""
    with ThreadPoolExecutor(SYNCING_THREADS) as pool:
        # list waits for all of them, and raises what any of them has raised.
        list(pool.map(sync, paths))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Tells which file it was to an error that does not know, such as a full disk's."""
    try:
        yield
    except OSError as error:
        # Without a number it is no error of the system; with a name it tells the file already.
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
