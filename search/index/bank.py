"""How an index's entries and sentences score with the training split of its run: the bank.

By these numbers entries are ranked without hubs (:mod:`train.evaluation.hubness`). The bank, some
of the training split's sentences and videos as tokens, is kept in the index, so that whatever is
added gets its own numbers in the same transaction. Tables of their own hold both: an index that
was built without them goes on to work, and gets them from the next build or add.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Int64

from search.engine.ragged_tokens import RaggedTokens, padded
from search.index.database import DamagedIndexError, naming_state
from search.index.layout import checksum
from train.evaluation.hubness import BankStatistics, bank_statistics
from train.evaluation.scoring import score_all_pairs
from train.settings import SimilaritySettings

CPU = torch.device("cpu")

Kind = Literal["signs", "words"]
"""Of the tokens: those of videos and windows, or those of sentences."""

AT_ONCE = 64
"""Entries whose tokens are in memory together, in single precision."""

TABLES = (
    "CREATE TABLE IF NOT EXISTS bank (kind TEXT PRIMARY KEY, tokens BLOB NOT NULL, "
    "num_tokens BLOB NOT NULL, num_real BLOB NOT NULL, crc INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS bank_statistics (generation INTEGER NOT NULL, kind TEXT NOT NULL, "
    "first INTEGER NOT NULL, numbers BLOB NOT NULL, crc INTEGER NOT NULL, "
    "PRIMARY KEY (generation, kind, first)) WITHOUT ROWID",
)
"""``numbers`` holds mean, deviation and soft mean, float32, of rows that follow each other."""


@dataclass(frozen=True)
class Bank:
    """Sentences and videos of the training split, encoded as those of the index are."""

    signs: RaggedTokens
    words: RaggedTokens
    similarity: SimilaritySettings

    def statistics(self, kind: Kind, rows: RaggedTokens) -> BankStatistics:
        """Returns how entries score with the bank's sentences, or sentences with its videos."""
        if kind == "signs":
            return bank_statistics(pair_scores(rows, self.words, self.similarity).T)
        return bank_statistics(pair_scores(self.signs, rows, self.similarity))


def pair_scores(
    signs: RaggedTokens, words: RaggedTokens, similarity: SimilaritySettings
) -> Float32[np.ndarray, "video text"]:
    """Scores all pairs of some videos and some sentences."""
    scores = np.empty((len(signs), len(words)), np.float32)
    if not scores.size:
        return scores
    texts, word_is_real = padded(words, np.arange(len(words)))
    for first in range(0, len(signs), AT_ONCE):
        some = np.arange(first, min(first + AT_ONCE, len(signs)))
        videos, is_real = padded(signs, some)
        scores[some] = score_all_pairs(videos, texts, is_real, word_is_real, similarity, device=CPU)
    return scores


def has_bank(connection: sqlite3.Connection) -> bool:
    """Whether an index keeps a bank."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'bank_statistics'")
    return found.fetchone() is not None


def write_bank(connection: sqlite3.Connection, bank: Bank) -> None:
    """Writes a bank, within a transaction."""
    for statement in TABLES:
        connection.execute(statement)
    kinds: Mapping[Kind, RaggedTokens] = {"signs": bank.signs, "words": bank.words}
    for kind, rows in kinds.items():
        arrays = [
            np.ascontiguousarray(values).astype(dtype).tobytes()
            for values, dtype in (
                (rows.tokens, "<f2"), (rows.num_tokens, "<i4"), (rows.num_real, "<i4"),
            )
        ]  # fmt: skip
        connection.execute(
            "INSERT OR REPLACE INTO bank VALUES (?, ?, ?, ?, ?)", (kind, *arrays, checksum(*arrays))
        )


def read_bank(
    part: Path, connection: sqlite3.Connection, dim: int, similarity: SimilaritySettings
) -> Bank | None:
    """Reads the bank of an index; ``None`` where it keeps none.

    Raises :class:`~search.index.database.DamagedIndexError` for one that has changed.
    """
    with naming_state(part):
        if not has_bank(connection):
            return None
        rows = connection.execute("SELECT kind, tokens, num_tokens, num_real, crc FROM bank")
        found: dict[str, RaggedTokens] = {}
        for kind, *arrays, crc in rows.fetchall():
            if checksum(*arrays) != crc:
                raise DamagedIndexError(part, "its bank of the training split has changed")
            tokens, num_tokens, num_real = (
                np.frombuffer(values, dtype)
                for values, dtype in zip(arrays, ("<f2", "<i4", "<i4"), strict=True)
            )
            first = np.cumsum(num_tokens, dtype=np.int64) - num_tokens
            found[kind] = RaggedTokens(tokens.reshape(-1, dim), first, num_tokens, num_real)
    return Bank(found["signs"], found["words"], similarity)


def write_statistics(
    connection: sqlite3.Connection,
    generation: int,
    kind: Kind,
    first: int,
    statistics: BankStatistics,
) -> None:
    """Writes the numbers of rows from ``first`` on, within a transaction."""
    numbers = np.stack([statistics.mean, statistics.deviation, statistics.soft_mean])
    if numbers.size:
        row = (generation, kind, first, numbers.astype("<f4").tobytes())
        connection.execute(
            "INSERT OR REPLACE INTO bank_statistics VALUES (?, ?, ?, ?, ?)", (*row, checksum(*row))
        )


def read_statistics(
    part: Path, connection: sqlite3.Connection, generation: int, kind: Kind, num_rows: int
) -> BankStatistics | None:
    """Reads the numbers of the first rows of a generation; ``None`` where some have none.

    Raises :class:`~search.index.database.DamagedIndexError` for some that have changed.
    """
    with naming_state(part):
        if not has_bank(connection):
            return None
        rows = connection.execute(
            "SELECT generation, kind, first, numbers, crc FROM bank_statistics "
            "WHERE generation = ? AND kind = ? AND first < ? ORDER BY first",
            (generation, kind, num_rows),
        ).fetchall()
    found = [np.empty((3, 0), np.float32)]
    for *row, crc in rows:
        if checksum(*row) != crc:
            raise DamagedIndexError(part, "its scores with the training split have changed")
        found.append(np.frombuffer(row[3], "<f4").reshape(3, -1))
    numbers = np.concatenate(found, axis=1)
    # An earlier program adds entries without them; a later fit may reach beyond a snapshot's rows.
    return BankStatistics(*numbers[:, :num_rows]) if numbers.shape[1] >= num_rows else None


def copy_statistics(
    part: Path,
    connection: sqlite3.Connection,
    generations: tuple[int, int],
    kept: Mapping[Kind, Int64[np.ndarray, " _"]],
    num_rows: Mapping[Kind, int],
) -> None:
    """Copies the numbers of the rows that a compaction keeps, within its transaction."""
    before, after = generations
    for kind, rows in kept.items():
        found = read_statistics(part, connection, before, kind, num_rows[kind])
        if found is not None:
            values = (found.mean[rows], found.deviation[rows], found.soft_mean[rows])
            write_statistics(connection, after, kind, 0, BankStatistics(*values))
