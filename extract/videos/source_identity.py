"""Whether a video is still the one that was extracted: its size, its time, its content."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Generic, TypeAlias, TypeVar

from extract.videos.frame import Progress, unwatched
from extract.videos.frame_folder import image_files
from extract.videos.part import WHOLE, VideoPart

Value = TypeVar("Value")


class RecentValues(Generic[Value]):
    """Values by key; the least recently used one is forgotten first.

    >>> values = RecentValues[int](capacity=2)
    >>> values.get("a", lambda: 1), values.get("a", lambda: 2)
    (1, 1)
    """

    def __init__(self, capacity: int) -> None:
        """At most ``capacity`` values are remembered."""
        self._capacity = capacity
        # The least recently used value is first.
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        # Imports read in several threads; two of them may learn the same value at the same time.
        self._lock = Lock()

    def get(self, key: Hashable, learn: Callable[[], Value]) -> Value:
        """Returns the value that is remembered for a key, else what ``learn`` gives or raises."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        # Without the lock: learning may read a whole file, and other threads must not wait for it.
        value = learn()
        with self._lock:
            self._values[key] = value
            if len(self._values) > self._capacity:
                self._values.popitem(last=False)
        return value


_BLOCK_BYTES = 1 << 20
_DIGEST_BYTES = 16
_SECOND = 10**9

_HASHES = RecentValues[str](64)

FilesIn: TypeAlias = Callable[[Path], Sequence[Path]]
"""Lists the files of a folder that count: for a video its images, for an import all of them."""


def all_files(folder: Path) -> list[Path]:
    """All files below a folder, by path."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


@dataclass(frozen=True)
class SourceIdentity:
    """What a video's source was when it was read."""

    size_bytes: int
    mtime_ns: int
    content_hash: str
    """BLAKE2b-128 in hexadecimal digits; empty when it was not asked for."""


@dataclass(frozen=True)
class QuickIdentity:
    """What can be told of a source without reading it.

    A folder's time is that of its newest file, but for the nanoseconds: they are a digest of all
    files' names, order, sizes and times, which change when two files are exchanged or renamed.
    """

    size_bytes: int
    mtime_ns: int
    """Time of the last change in ns, with a folder's digest."""
    latest_ns: int
    """Time of the last change in ns, which is all that older stores have of a folder."""

    def fits(self, size_bytes: int, mtime_ns: int) -> bool:
        """Whether a source is, as far as can be told, the one that a store noted."""
        return self.size_bytes == size_bytes and mtime_ns in (self.mtime_ns, self.latest_ns)


def quick_look(path: Path, files_in: FilesIn = image_files) -> QuickIdentity:
    """Looks at a file or at the files of a folder, without reading them.

    Raises ``OSError`` or ``VideoError`` for what is not there.
    """
    if not path.is_dir():
        status = path.stat()
        return QuickIdentity(status.st_size, status.st_mtime_ns, status.st_mtime_ns)
    files = files_in(path)
    looks = [(status.st_size, status.st_mtime_ns) for status in map(Path.stat, files)]
    names = [file.relative_to(path).as_posix() for file in files]
    facts: list[object] = list(zip(names, looks, strict=True))
    if len(set(looks)) < len(looks):  # two may have been exchanged: only the folder tells
        facts += [folder.stat().st_mtime_ns for folder in sorted({file.parent for file in files})]
    digest = hashlib.blake2b(repr(facts).encode(), digest_size=8)
    size, latest = sum(size for size, _ in looks), max((time for _, time in looks), default=0)
    fraction = int.from_bytes(digest.digest()) % _SECOND
    return QuickIdentity(size, latest - latest % _SECOND + fraction, latest)


def quick_identity(path: Path, files_in: FilesIn = image_files) -> tuple[int, int]:
    """Returns size in bytes and time of the last change in ns, as :func:`quick_look` tells them."""
    look = quick_look(path, files_in)
    return look.size_bytes, look.mtime_ns


def content_hash(
    path: Path, progress: Progress = unwatched, files_in: FilesIn = image_files
) -> str:
    """BLAKE2b-128 of a file's bytes, or of the names and bytes of a folder's files in their order.

    Raises ``OSError`` or ``VideoError`` for what cannot be read.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    is_folder = path.is_dir()
    for file in files_in(path) if is_folder else [path]:
        # Names and sizes keep files apart whose bytes follow each other.
        if is_folder:
            name = file.relative_to(path).as_posix()
            digest.update(f"{name}\0{file.stat().st_size}\0".encode(errors="surrogateescape"))
        with file.open("rb") as source:
            while block := source.read(_BLOCK_BYTES):
                digest.update(block)
                progress()
    return digest.hexdigest()


def remembered_hash(
    path: Path, progress: Progress = unwatched, files_in: FilesIn = image_files
) -> str:
    """The :func:`content_hash`, computed once for all videos that one unchanged source holds."""
    # Which files count is part of the key: a video and an import may differ on one folder.
    key = (path, *quick_identity(path, files_in), files_in)
    return _HASHES.get(key, lambda: content_hash(path, progress, files_in))


def part_hash(path: Path, part: VideoPart, progress: Progress = unwatched) -> str:
    """The :func:`content_hash` of what is whole, else a hash of the recording's and the part.

    A recording is read once for all its parts. Raises ``OSError`` or ``VideoError`` for what cannot
    be read.
    """
    if part == WHOLE:
        return content_hash(path, progress)
    name = f"{remembered_hash(path, progress)}#{part.fragment}".encode()
    return hashlib.blake2b(name, digest_size=_DIGEST_BYTES).hexdigest()
