"""Reads runs of entries straight from the shard files of one Zarr array, and writes new files.

Zarr reads any array that a store may hold, but spends milliseconds on each read, however small;
and it opens a shard once for its index and again for each chunk, so that the file may have been
replaced in between by a process that extends the store. Here one opening of the file gives both.
Zarr copies what it writes several times; here chunks go from the videos' arrays to the file, and
several are compressed at a time.

The format is that of the Zarr v3 ``sharding_indexed`` codec
(https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/): compressed chunks, and
at the end of the file 16 bytes a chunk, its offset and length, and a CRC-32C of those.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import Blosc, VLenUTF8  # type: ignore[import-untyped]

from seds_core.errors import UsageError
from seds_core.files import unfinished_file
from seds_core.store.file_checksums import FileChecksum, Replacement

NOT_STORED = 2**64 - 1
"""Offset and length of a chunk that holds zeros only."""

UNDERSTOOD = {
    ("bytes", "blosc", "bytes", "crc32c", "end"),
    ("vlen-utf8", "blosc", "bytes", "crc32c", "end"),
}
"""Codecs of a chunk, codecs of the index, and where in the file the index is."""

COMPRESSING_THREADS = 3
"""Blosc lets threads run beside each other; three compress as fast as a disk writes."""

_SHUFFLES = {
    "noshuffle": Blosc.NOSHUFFLE,
    "shuffle": Blosc.SHUFFLE,
    "bitshuffle": Blosc.BITSHUFFLE,
}
"""Zarr's word -> Blosc's number."""


class DamagedShardError(UsageError):
    """A file of an array that is not what was written; the message names it."""


@dataclass
class ShardFiles:
    """The files of one array, whose first axis alone is divided into shards and chunks."""

    folder: Path
    dtype: np.dtype[Any]
    """``object`` for texts."""
    sizes: tuple[int, ...]
    """Sizes of the axes after the first."""
    chunk: int
    shard: int
    blosc: Blosc
    zeros: frozenset[int] = frozenset()
    """Shards without a file that hold zeros, as Zarr writes them; others have been lost."""
    trusts_indexes: bool = False
    """To save what can be: then whatever is read needs another proof."""
    _indexes: dict[int, tuple[object, np.ndarray]] = field(default_factory=dict, repr=False)
    """Shard -> what tells its file from others of that name, and its index."""

    @classmethod
    def open(cls, folder: Path) -> "ShardFiles | None":
        """The array in a folder; ``None`` for one that only Zarr can read.

        Raises :class:`DamagedShardError` for metadata that describe no array.
        """
        with _naming(folder / "zarr.json"):
            metadata = json.loads((folder / "zarr.json").read_bytes())
            sizes, sharding = tuple(metadata["shape"][1:]), metadata["codecs"][0]
            if sharding["name"] != "sharding_indexed":
                return None
            inner = sharding["configuration"]
            codecs = [codec["name"] for codec in (*inner["codecs"], *inner["index_codecs"])]
            chunk, *chunk_sizes = inner["chunk_shape"]
            is_understood = (
                (*codecs, inner["index_location"]) in UNDERSTOOD
                # Several codecs have a byte order, each in settings of its own.
                and '"big"' not in json.dumps(inner)
                and tuple(chunk_sizes) == sizes
                and not metadata["fill_value"]  # 0, False or no text
            )
            # Another program may have stored the array anew, in any form that Zarr can read.
            if not is_understood:
                return None
            is_text = metadata["data_type"] == "string"
            dtype = np.dtype(object if is_text else metadata["data_type"])
            shard = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
            if chunk < 1 or shard < chunk or shard % chunk:
                raise ValueError(f"shards of {shard} entries in chunks of {chunk}")
            blosc = _blosc(**inner["codecs"][1]["configuration"])
        return cls(folder, dtype, sizes, chunk, shard, blosc)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Entries ``start`` to ``stop``, which must have been committed.

        Raises :class:`DamagedShardError` where the files cannot hold what was written.
        """
        parts = [np.empty((0, *self.sizes), self.dtype)]
        for number in self.numbers(start, stop):
            first = number * self.shard
            parts += self._read_shard(number, max(start - first, 0), min(stop - first, self.shard))
        return np.concatenate(parts)

    def write(self, start: int, runs: Sequence[np.ndarray]) -> Iterator[Replacement]:
        """Writes entries from ``start`` on, given as arrays of consecutive ones, to new files.

        Everything before ``start`` must have been committed; what lies behind the new entries in
        the same shard is dropped. The files are whole, and to replace the present
        ones. Raises :class:`DamagedShardError` where entries that are to stay cannot be read.
        """
        stop = start + sum(map(len, runs))
        # Whole chunks before the start are copied as they are; the chunk that the start lies in is
        # read, and compressed again with what follows.
        first = start // self.chunk * self.chunk
        chunks = _pieces([self.read(first, start), *runs], self.chunk)
        with ThreadPoolExecutor(COMPRESSING_THREADS) as pool:
            for number in self.numbers(start, stop):
                num_kept = max(first - number * self.shard, 0) // self.chunk
                kept = self._stored(number, range(num_kept))
                added = islice(chunks, self.shard // self.chunk - num_kept)
                yield self.write_shard(number, chain(kept, pool.map(self._encode, added)))

    def salvage(self, number: int) -> list[bytes | None]:
        """The chunks of a damaged shard as they lie in its file; ``None`` for those that are lost.

        Whether the others hold what was written is not known.
        """
        contents: list[bytes | None] = []
        for position in range(self.shard // self.chunk):
            # Decoding is the only proof that there is of a chunk in a file whose checksum differs.
            try:
                [content] = self._stored(number, range(position, position + 1))
                with _naming(self.path(number)):
                    self._decode(content)
                contents.append(content)
            except DamagedShardError:
                contents.append(None)
        return contents

    def decoded(self, contents: Iterable[bytes | None]) -> np.ndarray:
        """Entries of consecutive chunks; zeros for those that are lost."""
        return np.concatenate([self._decode(content or b"") for content in contents])

    def numbers(self, start: int, stop: int) -> range:
        """Shards that hold the entries ``start`` to ``stop``."""
        return range(start // self.shard, -(-stop // self.shard))

    def check_index(self, number: int) -> None:
        """Raises :class:`DamagedShardError` for a file that is not there or incomplete."""
        if number not in self.zeros:
            with self._opened(number) as file:
                replace(self, trusts_indexes=False, _indexes={})._index(file, number)

    def path(self, number: int) -> Path:
        """The file of a shard."""
        return self.folder.joinpath("c", str(number), *("0" for _ in self.sizes))

    def _read_shard(self, number: int, start: int, stop: int) -> Iterator[np.ndarray]:
        """Parts of one shard, which together are its entries ``start`` to ``stop``."""
        positions = range(start // self.chunk, -(-stop // self.chunk))
        for position, content in zip(positions, self._stored(number, positions), strict=True):
            first = position * self.chunk
            with _naming(self.path(number)):
                values = self._decode(content)
            yield values[max(start - first, 0) : stop - first]

    def write_shard(self, number: int, contents: Iterable[bytes]) -> Replacement:
        """Writes a file of these chunks, empty ones being zeros, beside the shard's path."""
        path = self.path(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        index = np.full((self.shard // self.chunk, 2), NOT_STORED, "<u8")
        # The checksum of the whole file is made while it is written, without reading it again.
        crc32c = 0
        with unfinished_file(path) as file:
            for position, content in enumerate(contents):
                if content:
                    index[position] = file.tell(), len(content)
                    file.write(content)
                    crc32c = google_crc32c.extend(crc32c, content)
            end = index.tobytes() + google_crc32c.value(index.tobytes()).to_bytes(4, "little")
            file.write(end)
            crc32c = google_crc32c.extend(crc32c, end)
            return Replacement(path, FileChecksum(file.tell(), crc32c))

    def _stored(self, number: int, positions: range) -> Iterator[bytes]:
        """Chunks of one shard as they lie in its file; those of zeros are empty."""
        if not positions or (number in self.zeros and not self.path(number).exists()):
            yield from (b"" for _ in positions)
            return
        with self._opened(number) as file:
            index = self._index(file, number)
            for position in positions:
                yield self._read_chunk(file, *index[position].tolist())

    @contextmanager
    def _opened(self, number: int) -> Iterator[int]:
        """The descriptor of a shard's file; what goes wrong with it is its damage."""
        with _naming(path := self.path(number)):
            if not path.exists():
                raise DamagedShardError(f"{path} is missing")
            file = os.open(path, os.O_RDONLY)
            try:
                yield file
            finally:
                os.close(file)

    def _index(self, file: int, number: int) -> np.ndarray:
        """Offset and length of every chunk, kept until the file has been replaced."""
        found = os.fstat(file)
        # An inode's number is used again once its file is gone, so size and time are compared too.
        identity = (found.st_ino, found.st_size, found.st_mtime_ns)
        if number in self._indexes and self._indexes[number][0] == identity:
            return self._indexes[number][1]
        # Offset and length of each chunk in 8 bytes, little-endian, then a CRC-32C of them.
        size = 16 * (self.shard // self.chunk)
        content = os.pread(file, size + 4, max(found.st_size - size - 4, 0))
        checksum = int.from_bytes(content[size:], "little")
        is_right = self.trusts_indexes or google_crc32c.value(content[:size]) == checksum
        if len(content) != size + 4 or not is_right:
            raise ValueError("the checksum of its index differs")
        index = np.frombuffer(content[:size], "<u8").reshape(-1, 2)
        self._indexes[number] = identity, index
        return index

    def _read_chunk(self, file: int, offset: int, length: int) -> bytes:
        if offset == NOT_STORED:
            return b""
        if offset + length > os.fstat(file).st_size:  # before memory is asked for
            raise ValueError("a chunk lies beyond its end")
        content = os.pread(file, length, offset)
        # Blosc believes its header and would read beyond the memory of an incomplete chunk; bytes
        # 12 to 15 are the length (github.com/Blosc/c-blosc, README_CHUNK_FORMAT).
        if len(content) != length or int.from_bytes(content[12:16], "little") != length:
            raise ValueError("a chunk is incomplete")
        return content

    def _encode(self, pieces: Sequence[np.ndarray]) -> bytes:
        """One chunk of consecutive entries; where they end early, zeros follow."""
        padding = self._zeros(self.chunk - sum(map(len, pieces)))
        values = np.concatenate([*pieces, padding], dtype=self.dtype)
        encoded = VLenUTF8().encode(values) if self.dtype == object else values
        return bytes(self.blosc.encode(encoded))

    def _decode(self, content: bytes) -> np.ndarray:
        if not content:
            return self._zeros(self.chunk)
        # Blosc and the decoder of texts ask for as much memory as their headers say.
        num_bytes = int.from_bytes(content[4:8], "little")
        if self.dtype != object:
            if num_bytes != self.chunk * math.prod(self.sizes) * self.dtype.itemsize:
                raise ValueError("a chunk has another size")
            decoded = self.blosc.decode(content)
            return np.frombuffer(decoded, self.dtype).reshape(self.chunk, *self.sizes)
        decoded = self.blosc.decode(content)
        if int.from_bytes(decoded[:4], "little") != self.chunk:
            raise ValueError("a chunk has another number of texts")
        return np.asarray(VLenUTF8().decode(decoded))

    def _zeros(self, length: int) -> np.ndarray:
        return np.full((length, *self.sizes), "" if self.dtype == object else 0, self.dtype)


def _blosc(*, cname: str, clevel: int, shuffle: str, blocksize: int, **_typesize: int) -> Blosc:
    """The compressor of an array's metadata; arrays have their types themselves."""
    return Blosc(cname, clevel, _SHUFFLES[shuffle], blocksize)


def _pieces(runs: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Arrays of consecutive entries cut anew: lists of ``size`` entries, the last one of fewer."""
    # Parts of the present list, and the entries that it still lacks. Parts are views: nothing is
    # copied before a chunk is compressed.
    pieces: list[np.ndarray] = []
    missing = size
    for run in runs:
        rest = run
        while len(rest) >= missing:
            yield [*pieces, rest[:missing]]
            rest, pieces, missing = rest[missing:], [], size
        if len(rest):
            pieces.append(rest)
            missing -= len(rest)
    if pieces:
        yield pieces


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turns whatever a codec raises for damaged bytes into the damage of a file."""
    try:
        yield
    except DamagedShardError:
        raise
    except Exception as error:
        raise DamagedShardError(f"{path} is damaged: {error}") from error
