"""Reads the tables of the state and maps the arrays, into a snapshot; only what is new since one.

All queries of a snapshot are made in one transaction, so that they see one version.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32, Int64

from search.engine.compression import CompressedTokens, Projection
from search.engine.ragged_tokens import RaggedTokens
from search.index.database import DamagedIndexError
from search.index.identity import IndexIdentity
from search.index.layout import STATE, ArrayFile, array_files, checksum, generation_folder
from search.index.leases import Lease
from search.index.records import FilterColumns, RecordReader
from search.index.snapshot import Snapshot

AT_ONCE = 50_000
"""Rows of a table that are Python objects at the same time."""


class State(NamedTuple):
    """How much of every table and file counts."""

    version: int
    generation: int
    num_entries: int
    num_tokens: int
    num_sentences: int
    num_words: int


def read_state(part: Path, connection: sqlite3.Connection) -> State:
    """Reads the one row of the table ``state``."""
    row = connection.execute("SELECT * FROM state").fetchone()
    if row is None:
        raise DamagedIndexError(part, f"{STATE} lacks its state")
    return State(*row)


def read_projection(
    part: Path, connection: sqlite3.Connection, generation: int
) -> Projection | None:
    """Reads the projection of a generation; ``None`` where it has no tokens yet."""
    row = connection.execute(
        "SELECT matrix, step, codebook, crc FROM projections WHERE generation = ?", (generation,)
    ).fetchone()
    if row is None:
        return None
    *arrays, crc = row
    if checksum(*arrays) != crc:
        raise DamagedIndexError(part, "its projection has changed")
    matrix, step, codebook = (np.frombuffer(values, "<f4") for values in arrays)
    width = len(step)
    return Projection(matrix.reshape(-1, width), step, codebook.reshape(-1, width))


def read_columns(connection: sqlite3.Connection, known: FilterColumns) -> FilterColumns:
    """Reads the columns of the filter, and the values that are not known yet."""
    names = tuple(
        n for (n,) in connection.execute("SELECT name FROM filter_columns ORDER BY position")
    )
    values = []
    for position in range(len(names)):
        old = known.values[position] if position < len(known.values) else {}
        # Codes are given in their order, from 1 on.
        new = connection.execute(
            "SELECT code, value FROM filter_values WHERE position = ? AND code > ?",
            (position, len(old)),
        ).fetchall()
        values.append({**old, **dict(new)} if new else old)
    return FilterColumns(names, tuple(values))


class EntryTable(NamedTuple):
    """Rows of the table ``entries``, and the codes of their records."""

    numbers: Int64[np.ndarray, "entry _"]
    """Entry, record, sentence, first token, number of tokens, of real ones, whether live."""
    codes: Int32[np.ndarray, "entry _"]


def read_entries(
    connection: sqlite3.Connection, generation: int, since: int, num_columns: int
) -> EntryTable:
    """Reads the entries of a generation that came, or changed, after a version; in order."""
    cursor = connection.execute(
        "SELECT entry, record, sentence, first_token, num_tokens, num_real, is_live, codes "
        "FROM entries JOIN records ON records.id = entries.record "
        "WHERE generation = ? AND changed > ? ORDER BY entry",
        (generation, since),
    )
    numbers, codes = [np.empty((0, 7), np.int64)], [np.empty((0, num_columns), np.int32)]
    width = 4 * num_columns
    for rows in _batches(cursor):
        numbers.append(np.array([row[:7] for row in rows], np.int64))
        # A record that is older than a column has no code of it.
        joined = b"".join(row[7].ljust(width, b"\0") for row in rows)
        codes.append(np.frombuffer(joined, "<i4").reshape(len(rows), num_columns))
    return EntryTable(np.concatenate(numbers), np.concatenate(codes))


def _batches(cursor: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    while rows := cursor.fetchmany(AT_ONCE):
        yield rows


def read_snapshot(
    part: Path,
    identity: IndexIdentity,
    reader: RecordReader,
    state: State,
    known: Snapshot | None,
    lease: Lease,
) -> Snapshot:
    """Reads what is new since a known snapshot of the same generation, in a transaction."""
    connection = reader.connection
    columns = read_columns(connection, known.columns if known else FilterColumns())
    since = known.version if known else -1
    entries = read_entries(connection, state.generation, since, len(columns.names))
    if known is not None:
        entries = _merged(_table_of(known, len(columns.names)), entries)
    sentences = np.array(
        connection.execute(
            "SELECT sentence, first_token, num_tokens, num_real FROM sentences "
            "WHERE generation = ? AND sentence >= ? ORDER BY sentence",
            (state.generation, len(known.sentences) if known else 0),
        ).fetchall(),
        np.int64,
    ).reshape(-1, 4)
    if known is not None:
        old = known.sentences
        before = [np.arange(len(old)), old.first, old.num_tokens, old.num_real]
        sentences = np.concatenate([np.stack(before, axis=1), sentences])
    _, record_ids, sentence_of_entry, *places, is_live = entries.numbers.T
    for found, expected in ((entries.numbers, state.num_entries), (sentences, state.num_sentences)):
        if not np.array_equal(found[:, 0], np.arange(expected)):
            raise DamagedIndexError(part, f"{STATE} lacks some of its {expected:,} rows")

    projection = known.projection if known else None
    projection = projection or read_projection(part, connection, state.generation)
    dims = identity.settings.embedding_dim, projection.matrix.shape[1] if projection else 1
    folder = generation_folder(part, state.generation)
    signs = MappedTokens.open(part, folder, "signs", dims, state.num_tokens, places)
    words = MappedTokens.open(part, folder, "words", dims, state.num_words, [*sentences.T[1:]])
    sentence_is_live = np.zeros(len(sentences), bool)
    used = sentence_of_entry[is_live > 0]
    sentence_is_live[used[used >= 0]] = True
    return Snapshot(
        part=part,
        identity=identity,
        version=state.version,
        generation=state.generation,
        signs=signs.tokens,
        compressed_signs=signs.compressed,
        projection=projection,
        is_live=is_live > 0,
        sentences=words.tokens,
        compressed_sentences=words.compressed,
        sentence_is_live=sentence_is_live,
        sentence_of_entry=np.ascontiguousarray(sentence_of_entry),
        record_ids=np.ascontiguousarray(record_ids),
        columns=columns,
        codes=entries.codes,
        reader=reader,
        lease=lease,
    )


def _table_of(known: Snapshot, num_columns: int) -> EntryTable:
    """The rows that a snapshot was made of, with room for columns that came later."""
    signs = known.signs
    numbers = [
        np.arange(len(signs)), known.record_ids, known.sentence_of_entry, signs.first,
        signs.num_tokens, signs.num_real, known.is_live,
    ]  # fmt: skip
    new_columns = num_columns - known.codes.shape[1]
    codes = np.pad(known.codes, ((0, 0), (0, new_columns)))
    return EntryTable(np.stack(numbers, axis=1).astype(np.int64), codes)


def _merged(known: EntryTable, changed: EntryTable) -> EntryTable:
    """Known rows, some of them replaced, and new ones behind them."""
    is_new = changed.numbers[:, 0] >= len(known.numbers)
    replaced = changed.numbers[~is_new, 0]
    known.numbers[replaced] = changed.numbers[~is_new]
    known.codes[replaced] = changed.codes[~is_new]
    return EntryTable(
        np.concatenate([known.numbers, changed.numbers[is_new]]),
        np.concatenate([known.codes, changed.codes[is_new]]),
    )


class MappedTokens(NamedTuple):
    """Tokens and what they are compressed to, in memory maps."""

    tokens: RaggedTokens
    compressed: CompressedTokens

    @classmethod
    def open(
        cls,
        part: Path,
        folder: Path,
        prefix: str,
        dims: tuple[int, int],
        num_tokens: int,
        places: Sequence[Int64[np.ndarray, " entry"]],
    ) -> "MappedTokens":
        """Maps the files of a set of tokens; ``places`` are first, number, and number of real ones.

        Raises :class:`DamagedIndexError` for a file that is missing or too short.
        """
        first, counts, num_real = places
        arrays = {
            file.name.removeprefix(f"{prefix}."): _mapped(
                part, folder, file, num_tokens if file.is_per_token else len(first)
            )
            for file in array_files(prefix, *dims)
        }
        tokens = RaggedTokens(
            arrays.pop("tokens"),
            np.ascontiguousarray(first),
            counts.astype(np.int32),
            num_real.astype(np.int32),
        )
        return cls(tokens, CompressedTokens(**arrays))


def _mapped(part: Path, folder: Path, file: ArrayFile, num_rows: int) -> np.ndarray:
    shape = num_rows, *file.row_shape
    if not num_rows:  # an empty file cannot be mapped
        return np.empty(shape, file.dtype)
    path = folder / file.name
    found = path.stat().st_size if path.exists() else 0
    if found < num_rows * file.row_bytes:
        raise DamagedIndexError(
            part,
            f"{folder.name}/{file.name} has {found:,} bytes where "
            f"{num_rows * file.row_bytes:,} were written",
        )
    return np.memmap(path, file.dtype, "r", shape=shape)
