"""Whether an imported file or folder is still the one that was imported."""

import hashlib
from functools import lru_cache
from pathlib import Path

from extract.videos.source_identity import QuickIdentity

_BLOCK_BYTES = 1 << 20


def quick_look(path: Path) -> QuickIdentity:
    """What a file, or all files in a folder, are like. Raises ``OSError`` for what is not there."""
    if path.is_dir():
        return QuickIdentity.of_folder(path, _files(path))
    status = path.stat()
    return QuickIdentity(status.st_size, status.st_mtime_ns, status.st_mtime_ns)


def quick_identity(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change in ns, of which ``QuickIdentity`` tells more.

    Raises ``OSError`` for what is not there.
    """
    look = quick_look(path)
    return look.size_bytes, look.mtime_ns


def content_hash(path: Path) -> str:
    """BLAKE2b-128 of a file's bytes, or of the names and bytes of all files in a folder.

    Raises ``OSError`` for what cannot be read.
    """
    return _hash_of(path, quick_identity(path))


@lru_cache(maxsize=64)
def _hash_of(path: Path, _identity: tuple[int, int]) -> str:
    """Remembered, because many videos may lie in one file."""
    digest = hashlib.blake2b(digest_size=16)
    for file in _files(path):
        if file != path:
            name = file.relative_to(path).as_posix()
            digest.update(f"{name}\0{file.stat().st_size}\0".encode(errors="surrogateescape"))
        with file.open("rb") as source:
            while block := source.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file())
