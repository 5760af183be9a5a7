"""Whether a video is still the one that was extracted: its size, its time, its content."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from extract.videos.frame import Progress, unwatched
from extract.videos.frame_folder import image_files
from extract.videos.part import WHOLE, VideoPart

Value = TypeVar("Value")


class RecentValues(Generic[Value]):
    """Values by key; the one that was not asked for the longest is forgotten first.

    >>> values = RecentValues[int](capacity=2)
    >>> values.get("a", lambda: 1), values.get("a", lambda: 2)
    (1, 1)
    """

    def __init__(self, capacity: int) -> None:
        """Remember at most ``capacity`` values."""
        self._capacity = capacity
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, learn: Callable[[], Value]) -> Value:
        """The value that is remembered for a key, else what ``learn`` gives; it may raise."""
        if key not in self._values:
            self._values[key] = learn()
            if len(self._values) > self._capacity:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]


_BLOCK_BYTES = 1 << 20
_DIGEST_BYTES = 16
_SECOND = 10**9

_RECORDING_HASHES = RecentValues[str](64)


@dataclass(frozen=True)
class SourceIdentity:
    """What a video's source was when it was read."""

    size_bytes: int
    mtime_ns: int
    content_hash: str
    """BLAKE2b-128 in hexadecimal digits; empty when it was not asked for."""


@dataclass(frozen=True)
class QuickIdentity:
    """What can be told of a source without reading it."""

    size_bytes: int
    mtime_ns: int
    """Time of the last change in ns; for a folder the nanoseconds within that second are a digest
    of its files' names, order, sizes and times."""
    latest_ns: int
    """Time of the last change, which is all that older stores have of a folder."""

    @classmethod
    def of_folder(cls, folder: Path, files: Sequence[Path]) -> "QuickIdentity":
        """Of a folder that consists of ``files``; raises ``OSError`` for what is not there."""
        looks = [(status.st_size, status.st_mtime_ns) for status in map(Path.stat, files)]
        names = [file.relative_to(folder).as_posix() for file in files]
        facts: list[object] = list(zip(names, looks, strict=True))
        if len(set(looks)) < len(looks):  # two may have been exchanged: only the folder tells
            facts += [path.stat().st_mtime_ns for path in sorted({file.parent for file in files})]
        digest = hashlib.blake2b(repr(facts).encode(), digest_size=8)
        size, latest = sum(size for size, _ in looks), max((time for _, time in looks), default=0)
        fraction = int.from_bytes(digest.digest()) % _SECOND
        return cls(size, latest - latest % _SECOND + fraction, latest)

    def fits(self, size_bytes: int, mtime_ns: int) -> bool:
        """Whether a source is, as far as can be told, the one that a store noted."""
        return self.size_bytes == size_bytes and mtime_ns in (self.mtime_ns, self.latest_ns)


def quick_look(path: Path) -> QuickIdentity:
    """What a file or a folder of images is like.

    Only the images of a folder count. Raises ``OSError`` or ``VideoError`` for what is not there.
    """
    if path.is_dir():
        return QuickIdentity.of_folder(path, image_files(path))
    status = path.stat()
    return QuickIdentity(status.st_size, status.st_mtime_ns, status.st_mtime_ns)


def quick_identity(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change in ns, of which :class:`QuickIdentity` tells more.

    Raises ``OSError`` or ``VideoError`` for what is not there.
    """
    look = quick_look(path)
    return look.size_bytes, look.mtime_ns


def content_hash(path: Path, progress: Progress = unwatched) -> str:
    """BLAKE2b-128 of a file's bytes, or of the names and bytes of a folder's images in their order.

    Raises ``OSError`` or ``VideoError`` for what cannot be read.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for file in _files(path):
        if path.is_dir():
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode(errors="surrogateescape"))
        for block in _blocks(file):
            digest.update(block)
            progress()
    return digest.hexdigest()


def part_hash(path: Path, part: VideoPart, progress: Progress = unwatched) -> str:
    """The :func:`content_hash` of what is whole, else one of the recording's and the part.

    A recording is read once for all its parts. Raises ``OSError`` or ``VideoError`` for what cannot
    be read.
    """
    if part == WHOLE:
        return content_hash(path, progress)
    key = (path, *quick_identity(path))
    recording = _RECORDING_HASHES.get(key, lambda: content_hash(path, progress))
    name = f"{recording}#{part.fragment}".encode()
    return hashlib.blake2b(name, digest_size=_DIGEST_BYTES).hexdigest()


def _files(path: Path) -> list[Path]:
    return image_files(path) if path.is_dir() else [path]


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while block := source.read(_BLOCK_BYTES):
            yield block
