"""A checksum at the end of a checkpoint, so that a flipped bit is damage and not a weight.

PyTorch writes ZIP archives, whose entries carry CRC-32 sums that its own reader does not look at,
and whose headers carry none. An archive may end in a comment: ours holds the SHA-256 of everything
before it.
"""

import hashlib
import os
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

_MARK = b"sha256:"
_SEAL_BYTES = len(_MARK) + 64
_ZIP_START = b"PK\x03\x04"


def seal(file: BinaryIO) -> None:
    """Adds the checksum to a ZIP archive without a comment, open for reading and writing."""
    file.seek(-2, os.SEEK_END)
    file.write(_SEAL_BYTES.to_bytes(2, "little"))  # the length of the comment
    size = file.tell()
    file.write(_seal_of(file, size))


def damage_of(path: Path) -> str | None:
    """What is wrong with an archive, such as a flipped bit; ``None`` for whole and other files.

    Of an archive without a seal, made by an earlier version or by others, the sums of its entries
    are checked.
    """
    with path.open("rb") as file:
        if file.read(len(_ZIP_START)) != _ZIP_START:
            return None
        try:
            with zipfile.ZipFile(file) as archive:
                if not archive.comment:
                    entry = archive.testzip()
                    return entry and f"the checksum of its part {entry} does not agree"
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError, OSError) as error:
            return f"it may be cut off ({error})"
        size = file.seek(0, os.SEEK_END) - _SEAL_BYTES
        is_whole = size > 0 and _seal_of(file, size) == file.read()
    return None if is_whole else "its checksum does not agree"


def _seal_of(file: BinaryIO, size: int) -> bytes:
    """The seal of the first ``size`` bytes; the file stands behind them afterwards."""
    file.seek(0)
    digest = hashlib.sha256()
    while size:
        block = file.read(min(size, 2**20))
        if not block:
            break
        digest.update(block)
        size -= len(block)
    return _MARK + digest.hexdigest().encode()
