"""Reads a pickle of plain data and arrays by an interpreter that can do nothing else.

Unpickling runs what the file names. Python's own unpickler can be kept from foreign names, but a
few bytes still make it take gigabytes. So the file's operations are read one by one and carried out
by :mod:`extract.pickles.pickle_machine`: containers, text, numbers and arrays are made, and
everything else is refused by name. Memory is bounded by the size of the file (of what is in it,
where it is gzipped, and that by a multiple of the file's own).
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from extract.pickles.pickle_machine import MAX_DEPTH, PickleMachine
from extract.pickles.pickled_arrays import RefusedError
from seds_core.errors import ImportedFileError

MAX_FILE_BYTES = 1 << 30
MAX_VALUES = 10_000_000
"""Values in all containers, each counted as often as it is reached."""

_GZIP = b"\x1f\x8b"
MAX_UNZIPPED = 50
"""Bytes that a byte of a gzipped file may hold; gzip itself allows a thousand."""
_SMALL = 1 << 20
"""Bytes that any gzipped file may hold."""

_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, OverflowError)
"""What the operations of a damaged pickle raise."""


class UnsafePickleError(ImportedFileError):
    """A pickle that is more than plain data; the reason names what was refused."""


class DamagedPickleError(ImportedFileError):
    """A file that is no pickle, or not a whole one."""


def read_pickle(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """The plain containers, text, numbers, bytes and (read-only) arrays that a pickle holds.

    Raises :class:`UnsafePickleError` for anything else in it, :class:`DamagedPickleError` for what
    is no pickle, and ``ImportedFileError`` for a file that cannot be read.
    """
    return parse_pickle(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; raises ``ImportedFileError`` for one that cannot be or is huge."""
    try:
        if not path.is_file():
            raise ImportedFileError(path, "does not exist or is no file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ImportedFileError(path, f"is larger than {MAX_FILE_BYTES:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ImportedFileError(path, f"cannot be read: {error.strerror}") from None


def parse_pickle(content: bytes, path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """As :func:`read_pickle`, of the bytes of the file at ``path``, gzipped or not."""
    if content.startswith(_GZIP):
        content = _unzipped(content, path)
    try:
        value = PickleMachine(content).run()
        _check_plain(value)
    except RefusedError as error:
        raise UnsafePickleError(path, f"{_printable(error)}; nothing of it was run") from None
    except _DAMAGE as error:
        raise DamagedPickleError(path, f"is no whole pickle: {_printable(error)}") from None
    return value


def _unzipped(content: bytes, path: Path) -> bytes:
    """What a gzipped file holds; no more is unpacked than it may hold."""
    limit = min(max(MAX_UNZIPPED * len(content), _SMALL), MAX_FILE_BYTES)
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        unzipped = unpacker.decompress(content, limit)
    except zlib.error as error:
        raise DamagedPickleError(path, f"is gzipped and damaged: {error}") from None
    if unpacker.eof and not unpacker.unused_data:
        return unzipped
    if len(unzipped) == limit:
        raise UnsafePickleError(path, f"is gzipped and holds more than {limit:,} bytes: gunzip it")
    raise DamagedPickleError(path, "is gzipped and cut off, or followed by something: gunzip it")


_CONTAINERS = (list, tuple, dict, set)
_PLAIN = (str, bytes, bytearray, int, float, bool, type(None), np.ndarray, np.generic)


def _check_plain(value: Any) -> None:  # noqa: ANN401
    """Raises ``RefusedError`` for what is too deep, too much, a ring, or not plain data."""
    level, num_values = [(value,)], 1
    for _ in range(MAX_DEPTH + 1):
        num_values += sum(map(len, level))
        if num_values > MAX_VALUES:
            raise RefusedError(f"it refers to its own parts until they are {num_values:,} values")
        level = [child for container in level for child in _containers(container)]
        if not level:
            return
    raise RefusedError(f"it nests containers more than {MAX_DEPTH} deep")


def _containers(container: Any) -> Iterator[Any]:  # noqa: ANN401
    """The containers in a container; raises ``RefusedError`` for what is not plain."""
    for value in container.values() if type(container) is dict else container:
        if isinstance(value, _CONTAINERS):
            yield value
        elif not isinstance(value, _PLAIN):
            raise RefusedError(f"it holds a {type(value).__name__} that it does not use")


def _printable(error: Exception) -> str:
    """One line without control characters, whatever names a file has."""
    return str(error)[:200].encode("unicode_escape").decode()
