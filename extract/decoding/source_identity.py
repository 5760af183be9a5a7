"""Whether a video is still the one that was extracted: its size, its time, its content."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from extract.decoding.frame import Progress, unwatched
from extract.decoding.frame_folder import image_files
from extract.decoding.recent_values import RecentValues
from extract.decoding.video_part import WHOLE, VideoPart

_BLOCK_BYTES = 1 << 20
_DIGEST_BYTES = 16

_RECORDING_HASHES = RecentValues[str](64)


@dataclass(frozen=True)
class SourceIdentity:
    """What a video's source was when it was read."""

    size_bytes: int
    mtime_ns: int
    content_hash: str
    """BLAKE2b-128 in hexadecimal digits; empty when it was not asked for."""


def quick_identity(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change in ns; for a folder the sum and the latest.

    Only the images of a folder count. Raises ``OSError`` or ``VideoError`` for what is not there.
    """
    statuses = [file.stat() for file in _files(path)]
    return sum(s.st_size for s in statuses), max(s.st_mtime_ns for s in statuses)


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
