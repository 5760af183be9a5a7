"""A local cache of what is read from stores in a bucket: blocks of files, of bounded size.

It is shared by all processes of a machine, and by all runs. A block is kept under a name that is
made of the file's URL and version: a file that has been replaced is another one, and what is left
of the earlier one goes in time. A process may be killed at any moment: a block is written beside
its name, and carries a checksum.
"""

import fcntl
import hashlib
import os
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import google_crc32c

from seds_core.console import warn
from seds_core.errors import UsageError
from seds_core.files import cache_dir

BLOCK_BYTES = 2**20
"""Read from the bucket at once; a video's rows lie in two or three chunks of a quarter of it."""

_KEPT = 15 / 16
"""Share of the largest size that is left when blocks have been dropped."""


@dataclass
class CacheCounts:
    """Bytes that were asked of a cache, by all processes of a run."""

    num_found: int
    num_fetched: int

    @property
    def hit_rate(self) -> float:
        """Share that was found."""
        return self.num_found / max(self.num_found + self.num_fetched, 1)

    def __str__(self) -> str:
        return (
            f"of the rows in buckets, {self.hit_rate:.0%} came from the local cache; "
            f"{self.num_fetched / 1e6:,.1f} MB were fetched"
        )


SIZE_VARIABLE = "SEDS_CACHE_GIB"
"""Of the environment, as the size is the machine's and not a run's; 0 keeps nothing."""

_USUAL_GIB = 20.0


def shared_cache() -> "BlockCache | None":
    """The cache of this machine, below ``$SEDS_CACHE``; ``None`` where none is wanted.

    Raises :class:`UsageError` for a size that is no number.
    """
    told = os.environ.get(SIZE_VARIABLE, str(_USUAL_GIB))
    try:
        size = float(told)
        if not 0 <= size < float("inf"):
            raise ValueError
    except ValueError:
        raise UsageError(
            f"{SIZE_VARIABLE} is {told!r}: give the GiB that rows of stores in buckets may take on "
            "this machine's disk, such as 50, or 0"
        ) from None
    return BlockCache(cache_dir() / "blocks", int(size * 2**30)) if size else None


class BlockCache:
    """Blocks of files in a folder; may be sent to another process."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self._counts = folder / "counts" / uuid4().hex
        self._is_full = False

    def read(
        self, file: str, num_bytes: int, start: int, stop: int, fetch: Callable[[int, int], bytes]
    ) -> bytes:
        """Bytes ``start`` to ``stop`` of a file, whose name tells its version, of ``num_bytes``.

        ``fetch`` gives those from one number to another that are not here.
        """
        first, last = start // BLOCK_BYTES, -(-stop // BLOCK_BYTES)
        blocks = {number: self._found(file, number) for number in range(first, last)}
        found = sum(len(content) for content in blocks.values() if content is not None)
        fetched = 0
        for run in _runs([number for number, content in blocks.items() if content is None]):
            offset = run.start * BLOCK_BYTES
            content = fetch(offset, min(run.stop * BLOCK_BYTES, num_bytes))
            fetched += len(content)
            for number in run:
                at = (number - run.start) * BLOCK_BYTES
                blocks[number] = content[at : at + BLOCK_BYTES]
                self._keep(file, number, blocks[number] or b"")
        self._count(found, fetched)
        together = b"".join(blocks[number] or b"" for number in range(first, last))
        return together[start - first * BLOCK_BYTES : stop - first * BLOCK_BYTES]

    def counts(self) -> CacheCounts:
        """What was found and fetched since the last call, by all processes that have this cache."""
        try:
            with _locked(self._counts) as numbers:
                found, fetched = numbers.read()
                numbers.write(0, 0)
        except OSError:
            return CacheCounts(0, 0)
        return CacheCounts(found, fetched)

    def close(self) -> None:
        """Ends counting; the blocks stay for other runs."""
        self._counts.unlink(missing_ok=True)

    def _found(self, file: str, number: int) -> bytes | None:
        path = self._path(file, number)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        block, checksum = content[:-4], content[-4:]
        if len(content) > 4 and google_crc32c.value(block).to_bytes(4, "little") == checksum:
            return block
        # After a power cut, or on a bad disk.
        path.unlink(missing_ok=True)
        return None

    def _keep(self, file: str, number: int, block: bytes) -> None:
        path = self._path(file, number)
        unfinished = path.with_name(f"{uuid4().hex}.partial")
        try:
            self._make_room(len(block) + 4)
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(block + google_crc32c.value(block).to_bytes(4, "little"))
            # Another process may just have dropped it to make room.
            with suppress(FileNotFoundError):
                unfinished.replace(path)
        except OSError as error:
            # A full disk costs the cache and not the training.
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            if not self._is_full:
                self._is_full = True
                warn(f"{self.folder}: not all that is read is kept there ({error.strerror})")

    def _make_room(self, num_bytes: int) -> None:
        """Counts bytes before they are written, and drops blocks where they would be too many."""
        with _locked(self.folder / "size") as numbers:
            size = numbers.read()[0] + num_bytes
            if size > self.max_bytes:
                size = self._drop_blocks(int(self.max_bytes * _KEPT) - num_bytes) + num_bytes
            numbers.write(size, 0)

    def _drop_blocks(self, num_left: int) -> int:
        """Drops blocks until no more bytes are left, and gives how many are."""
        sizes = {}
        for path in self.folder.glob("??/*"):
            with suppress(FileNotFoundError):
                sizes[path] = path.stat().st_size
        size = sum(sizes.values())
        # At random: every epoch reads all videos in another order, so that the block that was used
        # last is needed no sooner than any other.
        for path in random.sample(list(sizes), len(sizes)):
            if size <= num_left:
                break
            path.unlink(missing_ok=True)
            size -= sizes[path]
        return size

    def _count(self, found: int, fetched: int) -> None:
        try:
            with _locked(self._counts) as numbers:
                before = numbers.read()
                numbers.write(before[0] + found, before[1] + fetched)
        except OSError:
            return

    def _path(self, file: str, number: int) -> Path:
        digest = hashlib.blake2b(f"{file} {number}".encode(), digest_size=20).hexdigest()
        return self.folder / digest[:2] / digest[2:]


class _Numbers:
    """Two numbers in an open file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> tuple[int, int]:
        content = os.pread(self._descriptor, 16, 0)
        return struct.unpack("<qq", content) if len(content) == 16 else (0, 0)

    def write(self, *numbers: int) -> None:
        os.pwrite(self._descriptor, struct.pack("<qq", *numbers), 0)


@contextmanager
def _locked(path: Path) -> Iterator[_Numbers]:
    """Numbers that one process at a time changes; a dead one's lock is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield _Numbers(descriptor)
    finally:
        os.close(descriptor)


def _runs(numbers: list[int]) -> Iterator[range]:
    """Consecutive numbers together."""
    start = 0
    for end in range(1, len(numbers) + 1):
        if end == len(numbers) or numbers[end] != numbers[end - 1] + 1:
            yield range(numbers[start], numbers[end - 1] + 1)
            start = end
