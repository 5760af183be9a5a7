"""The files of an index, and what a row of its tables is.

A part of an index is a folder::

    index.sqlite          the state: one row an entry, a sentence, a record (rollback journal)
    lock                  held by the one process that writes
    generation-1/         append-only arrays of plain numbers, one file a field
        signs.tokens      float16, the tokens of the entries, one after the other
        signs.coarse ...  what :class:`~search.engine.compression.CompressedTokens` has of them
        words.tokens ...  the same of the distinct sentences
        readers           locked, in common, by every process that reads this generation

Only what the last transaction counted is there: whatever a file holds beyond it was being written
when a process died, and is overwritten by the next writer. A row that was counted never changes,
except that an entry dies or gets another record; what readers of an earlier version still look up
goes with the generation.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import google_crc32c
import numpy as np

from search.engine.compression import CompressedTokens

LAYOUT_VERSION = 1

STATE = "index.sqlite"
LOCK = "lock"
READERS = "readers"

SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE state (
    version INTEGER NOT NULL, generation INTEGER NOT NULL,
    num_entries INTEGER NOT NULL, num_tokens INTEGER NOT NULL,
    num_sentences INTEGER NOT NULL, num_words INTEGER NOT NULL);
CREATE TABLE projections (
    generation INTEGER PRIMARY KEY, matrix BLOB NOT NULL, step BLOB NOT NULL,
    codebook BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE entries (
    generation INTEGER NOT NULL, entry INTEGER NOT NULL, record INTEGER NOT NULL,
    sentence INTEGER NOT NULL, first_token INTEGER NOT NULL, num_tokens INTEGER NOT NULL,
    num_real INTEGER NOT NULL, is_live INTEGER NOT NULL, changed INTEGER NOT NULL,
    tokens_crc INTEGER NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (generation, entry)) WITHOUT ROWID;
CREATE INDEX entries_of_record ON entries (record);
CREATE INDEX changed_entries ON entries (generation, changed);
CREATE TABLE records (
    id INTEGER PRIMARY KEY AUTOINCREMENT, video_id TEXT NOT NULL, span_start REAL, span_end REAL,
    path BLOB NOT NULL, start REAL NOT NULL, text TEXT NOT NULL, duration REAL, codes BLOB NOT NULL,
    clip_spans BLOB NOT NULL, source TEXT NOT NULL, crc INTEGER NOT NULL, retired INTEGER);
CREATE INDEX records_of_video ON records (video_id);
CREATE TABLE sentences (
    generation INTEGER NOT NULL, sentence INTEGER NOT NULL, text TEXT NOT NULL,
    first_token INTEGER NOT NULL, num_tokens INTEGER NOT NULL, num_real INTEGER NOT NULL,
    tokens_crc INTEGER NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (generation, sentence)) WITHOUT ROWID;
CREATE INDEX sentences_of_text ON sentences (generation, text);
CREATE TABLE filter_columns (position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE filter_values (
    position INTEGER NOT NULL, code INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (position, code)) WITHOUT ROWID;
CREATE UNIQUE INDEX codes_of_values ON filter_values (position, value);
CREATE TABLE failures (
    video_id TEXT PRIMARY KEY, path BLOB NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL);
"""
"""``records.codes`` holds an int32 for each column of the filter, as many as there were; the code 0
and a missing one stand for an empty value. ``start`` is where in its file a video begins;
``retired`` the generation in which another record took its place."""

ENTRY_COLUMNS = (
    "generation", "entry", "record", "sentence", "first_token", "num_tokens", "num_real", "is_live",
    "changed", "tokens_crc",
)  # fmt: skip
SENTENCE_COLUMNS = (
    "generation", "sentence", "text", "first_token", "num_tokens", "num_real", "tokens_crc",
)  # fmt: skip
RECORD_COLUMNS = (
    "video_id", "span_start", "span_end", "path", "start", "text", "duration", "codes",
    "clip_spans", "source",
)  # fmt: skip
"""Of each table, in the order in which a row's checksum ``crc`` is taken of them."""


@dataclass(frozen=True)
class ArrayFile:
    """One field of the tokens or of what they are compressed to."""

    name: str
    dtype: np.dtype[np.generic]
    is_per_token: bool
    """Otherwise one row an entry."""
    row_shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return int(np.prod(self.row_shape, dtype=np.int64)) * self.dtype.itemsize


def array_files(prefix: str, dim: int, coarse_dim: int) -> tuple[ArrayFile, ...]:
    """The files of one set of tokens, by the fields of :class:`CompressedTokens`."""
    sizes = {"dim": dim, "coarse": coarse_dim}
    float16 = np.dtype(np.float16)
    found = [ArrayFile(f"{prefix}.tokens", float16, is_per_token=True, row_shape=(dim,))]
    for field in fields(CompressedTokens):
        # The annotation says it all: such as Int8[np.ndarray, "token coarse"].
        first, *axes = field.type.dim_str.split()  # type: ignore[union-attr]
        dtype = np.dtype(field.type.dtypes[0])  # type: ignore[union-attr]
        shape = tuple(sizes[axis] for axis in axes)
        found.append(
            ArrayFile(
                f"{prefix}.{field.name}", dtype, is_per_token=first == "token", row_shape=shape
            )
        )
    return tuple(found)


def generation_folder(part: Path, generation: int) -> Path:
    """Where the arrays of a generation are."""
    return part / f"generation-{generation}"


def checksum(*values: object) -> int:
    """CRC-32C of plain values, or of one array's bytes."""
    crc = 0
    for value in values:
        plain = value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
        crc = google_crc32c.extend(crc, plain)
    return crc
