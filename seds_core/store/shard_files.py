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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any

import google_crc32c
import numpy as np
from jaxtyping import Bool
from numcodecs import Blosc, VLenUTF8  # type: ignore[import-untyped]

from seds_core.errors import UnavailableError, UsageError
from seds_core.store.place import ChangedError, OpenFile, Place, ReadableFiles, Seen

NOT_STORED = 2**64 - 1
"""Offset and length of a chunk that holds zeros only."""

UNDERSTOOD = {
    ("bytes", "blosc", "bytes", "crc32c", "end"),
    ("vlen-utf8", "blosc", "bytes", "crc32c", "end"),
}
"""Codecs of a chunk, codecs of the index, and where in the file the index is."""

COMPRESSING_THREADS = 3
"""Blosc lets threads run beside each other; three compress as fast as a disk writes."""

# A shard that is replaced while it is read is looked at so often.
_LOOKS = 5

# Chunks of a shard that are in memory while it is copied.
_COPIED_CHUNKS = 16

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

    place: ReadableFiles
    """The store."""
    folder: str
    """Of the array, within the store."""
    dtype: np.dtype[Any]
    """``object`` for texts."""
    sizes: tuple[int, ...]
    """Sizes of the axes after the first."""
    chunk: int
    shard: int
    blosc: Blosc
    on_new_file: Callable[[], object] = field(default=dict, repr=False, compare=False)
    """Called when a file is met that has not been read before, ahead of its entries."""
    zeros: frozenset[int] = frozenset()
    """Shards without a file that hold zeros, as Zarr writes them; others have been lost."""
    trusts_indexes: bool = False
    """To save what can be: then whatever is read needs another proof."""
    _indexes: dict[int, tuple[Seen, np.ndarray]] = field(default_factory=dict, repr=False)
    """Shard -> the version of its file, and its index."""

    @classmethod
    def open(cls, place: Place, folder: str, metadata_file: bytes) -> "ShardFiles | None":
        """The array in a folder of a store; ``None`` for one that only Zarr can read.

        Raises :class:`DamagedShardError` for metadata that describe no array.
        """
        with _naming(f"{place.url}/{folder}/zarr.json"):
            metadata = json.loads(metadata_file)
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
        return cls(place, folder, dtype, sizes, chunk, shard, blosc)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Entries ``start`` to ``stop``, which must have been committed.

        Raises :class:`DamagedShardError` where the files cannot hold what was written.
        """
        parts = [np.empty((0, *self.sizes), self.dtype)]
        for number in self.numbers(start, stop):
            first = number * self.shard
            parts += self._read_shard(number, max(start - first, 0), min(stop - first, self.shard))
        return np.concatenate(parts)

    def extended(
        self, start: int, runs: Sequence[np.ndarray]
    ) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The files that hold entries from ``start`` on, given as arrays of consecutive ones.

        Each comes with its name and, piece by piece, with its content, to be taken before the next.
        Everything before ``start`` must have been committed; what lies behind the new entries in
        the same shard is dropped. Raises :class:`DamagedShardError` where entries that are to stay
        cannot be read.
        """
        stop = start + sum(map(len, runs))
        # Whole chunks before the start are copied as they are; the chunk that the start lies in is
        # read, and compressed again with what follows.
        first = start // self.chunk * self.chunk
        chunks = _pieces([self.read(first, start), *runs], self.chunk)
        with ThreadPoolExecutor(COMPRESSING_THREADS) as pool:
            for number in self.numbers(start, stop):
                num_kept = max(first - number * self.shard, 0) // self.chunk
                kept = self._copied(number, num_kept)
                added = islice(chunks, self.shard // self.chunk - num_kept)
                contents = chain(kept, pool.map(self._encode, added))
                yield self.name(number), self.shard_content(contents)

    def salvage(self, number: int) -> list[bytes | None]:
        """The chunks of a damaged shard as they lie in its file; ``None`` for those that are lost.

        Whether the others hold what was written is not known.
        """
        contents: list[bytes | None] = []
        for position in range(self.shard // self.chunk):
            # Decoding is the only proof that there is of a chunk in a file whose checksum differs.
            try:
                [content] = self._stored(number, range(position, position + 1))
                with self._naming(number):
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

    def name(self, number: int) -> str:
        """The file of a shard, within the store."""
        return "/".join((self.folder, "c", str(number), *("0" for _ in self.sizes)))

    def is_there(self, number: int) -> bool:
        """Whether a shard has a file."""
        return self.place.look(self.name(number)) is not None

    def _read_shard(self, number: int, start: int, stop: int) -> Iterator[np.ndarray]:
        """Parts of one shard, which together are its entries ``start`` to ``stop``."""
        positions = range(start // self.chunk, -(-stop // self.chunk))
        for position, content in zip(positions, self._stored(number, positions), strict=True):
            first = position * self.chunk
            with self._naming(number):
                values = self._decode(content)
            yield values[max(start - first, 0) : stop - first]

    def held(self, contents: Mapping[int, bytes]) -> "ShardFiles":
        """The same array, whose shards are read from files that are in memory already."""
        files = {self.name(number): content for number, content in contents.items()}
        return replace(self, place=_HeldFiles(self.place.url, files), _indexes={}, on_new_file=dict)

    def shard_content(self, contents: Iterable[bytes]) -> Iterator[bytes]:
        """The file of these chunks, empty ones being zeros, piece by piece."""
        index = np.full((self.shard // self.chunk, 2), NOT_STORED, "<u8")
        offset = 0
        for position, content in enumerate(contents):
            if content:
                index[position] = offset, len(content)
                offset += len(content)
                yield content
        yield index.tobytes() + google_crc32c.value(index.tobytes()).to_bytes(4, "little")

    def emptied(self, number: int, is_free: Bool[np.ndarray, " row"]) -> Iterator[bytes]:
        """The file of a shard whose entries that are free become zeros; ``is_free`` ends where the
        committed entries end."""
        return self.shard_content(self._emptied(number, is_free))

    def _emptied(self, number: int, is_free: Bool[np.ndarray, " row"]) -> Iterator[bytes]:
        for position in range(self.shard // self.chunk):
            free = is_free[position * self.chunk : (position + 1) * self.chunk]
            # Behind the committed entries there is nothing to keep.
            if free.all():
                yield b""
                continue
            [content] = self._stored(number, range(position, position + 1))
            if not free.any():
                yield content
                continue
            with self._naming(number):
                values = self._decode(content).copy()
            values[: len(free)][free] = self._zeros(1)[0]
            yield self._encode([values])

    def _copied(self, number: int, num_chunks: int) -> Iterator[bytes]:
        """The first chunks of a shard, few of which are in memory at once."""
        for first in range(0, num_chunks, _COPIED_CHUNKS):
            yield from self._stored(number, range(first, min(first + _COPIED_CHUNKS, num_chunks)))

    def _stored(self, number: int, positions: range) -> list[bytes]:
        """Chunks of one shard as they lie in its file; those of zeros are empty."""
        if not positions or (number in self.zeros and not self.is_there(number)):
            return [b"" for _ in positions]
        for _ in range(_LOOKS):
            # Where an earlier version cannot be read any longer, the next one holds the same.
            with suppress(ChangedError), self._opened(number) as file:
                return self._chunks(file, self._index(file, number), positions)
        raise DamagedShardError(f"{self._url(number)} is replaced again and again")

    def _chunks(self, file: OpenFile, index: np.ndarray, positions: range) -> list[bytes]:
        stored = index[positions.start : positions.stop].tolist()
        spans = [(offset, offset + length) for offset, length in stored if offset != NOT_STORED]
        if any(stop > file.seen.num_bytes for _, stop in spans):  # before memory is asked for
            raise ValueError("a chunk lies beyond its end")
        contents = iter(file.read(spans))
        return [b"" if o == NOT_STORED else _whole(next(contents), n) for o, n in stored]

    @contextmanager
    def _opened(self, number: int) -> Iterator[OpenFile]:
        """A shard's file; what goes wrong with it is its damage."""
        with self._naming(number):
            try:
                with self.place.open(self.name(number)) as file:
                    yield file
            except FileNotFoundError:
                raise DamagedShardError(f"{self._url(number)} is missing") from None

    def _index(self, file: OpenFile, number: int) -> np.ndarray:
        """Offset and length of every chunk, kept until the file has been replaced."""
        seen = file.seen
        if number in self._indexes and self._indexes[number][0] == seen:
            return self._indexes[number][1]
        # Offset and length of each chunk in 8 bytes, little-endian, then a CRC-32C of them.
        size = 16 * (self.shard // self.chunk)
        [content] = file.read([(max(seen.num_bytes - size - 4, 0), seen.num_bytes)])
        checksum = int.from_bytes(content[size:], "little")
        is_right = self.trusts_indexes or google_crc32c.value(content[:size]) == checksum
        if len(content) != size + 4 or not is_right:
            raise ValueError("the checksum of its index differs")
        index = np.frombuffer(content[:size], "<u8").reshape(-1, 2)
        self._indexes[number] = seen, index
        self.on_new_file()
        return index

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

    def _url(self, number: int) -> str:
        return f"{self.place.url}/{self.name(number)}"

    def _naming(self, number: int) -> AbstractContextManager[None]:
        return _naming(self._url(number))

    def _zeros(self, length: int) -> np.ndarray:
        return np.full((length, *self.sizes), "" if self.dtype == object else 0, self.dtype)


@dataclass(frozen=True)
class _HeldFiles:
    """Files that are in memory."""

    url: str
    contents: Mapping[str, bytes]

    def look(self, name: str) -> Seen | None:
        content = self.contents.get(name)
        return None if content is None else _HeldFile(content).seen

    @contextmanager
    def open(self, name: str) -> Iterator["_HeldFile"]:
        if name not in self.contents:
            raise FileNotFoundError(name)
        yield _HeldFile(self.contents[name])


@dataclass(frozen=True)
class _HeldFile:
    content: bytes

    @property
    def seen(self) -> Seen:
        return Seen(len(self.content), "", 0.0)

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.content[start:stop] for start, stop in ranges]


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


def _whole(content: bytes, length: int) -> bytes:
    """A chunk, if it is as long as it should be and says so itself."""
    # Blosc believes its header and would read beyond the memory of an incomplete chunk; bytes
    # 12 to 15 are the length (github.com/Blosc/c-blosc, README_CHUNK_FORMAT).
    if len(content) != length or int.from_bytes(content[12:16], "little") != length:
        raise ValueError("a chunk is incomplete")
    return content


@contextmanager
def _naming(url: str) -> Iterator[None]:
    """Turns whatever a codec raises for damaged bytes into the damage of a file."""
    try:
        yield
    # A file that cannot be had, or is another now, is not damaged.
    except (DamagedShardError, ChangedError, UnavailableError):
        raise
    except Exception as error:
        raise DamagedShardError(f"{url} is damaged: {error}") from error
