"""Appends tokens and what they are compressed to, to the files of a generation."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Int64

from search.engine.compression import CompressedTokens, Projection, compress
from search.engine.ragged_tokens import RaggedTokens
from search.index.layout import READERS, array_files, checksum
from seds_core.files import naming, sync


def make_generation(folder: Path) -> None:
    """Makes the folder of a generation, which is still without arrays."""
    folder.mkdir(exist_ok=True)
    (folder / READERS).touch()
    sync(folder)
    sync(folder.parent)


def ragged(
    tokens: Sequence[Float16[np.ndarray, "_ dim"]], num_real: Sequence[int], dim: int
) -> RaggedTokens:
    """Returns arrays of tokens, one after the other, as one array."""
    counts = np.array([len(of_entry) for of_entry in tokens], np.int32)
    ends = np.cumsum(counts, dtype=np.int64)
    joined = np.concatenate([np.empty((0, dim), np.float16), *tokens])
    return RaggedTokens(joined, ends - counts, counts, np.array(num_real, np.int32))


def checksums(
    rows: RaggedTokens, compressed: CompressedTokens, entries: Int64[np.ndarray, " _"]
) -> Int64[np.ndarray, " _"]:
    """Returns a checksum for each of some entries: of its tokens and what stands for them."""
    arrays = [
        (getattr(compressed, file.name.removeprefix("signs.")), file.is_per_token)
        for file in array_files("signs", 1, 1)[1:]
    ]
    found = np.empty(len(entries), np.int64)
    for number, entry in enumerate(entries.tolist()):
        first = int(rows.first[entry])
        run = slice(first, first + int(rows.num_tokens[entry]))
        values = [array[run if is_per_token else entry] for array, is_per_token in arrays]
        found[number] = checksum(rows.tokens[run], *values)
    return found


@dataclass(frozen=True)
class TokenFiles:
    """The files of one set of tokens in the folder of a generation."""

    folder: Path
    prefix: str
    """``signs`` or ``words``."""

    def append(
        self, rows: RaggedTokens, projection: Projection, *, num_entries: int, num_tokens: int
    ) -> list[int]:
        """Writes the rows behind those that count already, and returns their checksums.

        When it returns they are on the disk. Where that fails, such as for a full disk, the files
        are cut to what counts.
        """
        if not len(rows):
            return []
        compressed = compress(rows, projection)
        values: dict[str, np.ndarray] = {"tokens": rows.tokens} | vars(compressed)
        files = array_files(self.prefix, *projection.matrix.shape)
        for file in files:
            at = (num_tokens if file.is_per_token else num_entries) * file.row_bytes
            path = self.folder / file.name
            is_new = not path.exists()
            _write_at(path, at, values[file.name.removeprefix(f"{self.prefix}.")])
        if is_new:
            sync(self.folder)
        return checksums(rows, compressed, np.arange(len(rows))).tolist()


def _write_at(path: Path, position: int, values: np.ndarray) -> None:
    with naming(path), path.open("r+b" if path.exists() else "w+b") as file:
        try:
            file.seek(position)
            file.write(np.ascontiguousarray(values).data.cast("B") if values.size else b"")
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            file.truncate(position)
            raise
