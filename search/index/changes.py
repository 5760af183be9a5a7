"""What one change does to the tables of the state, within its transaction."""

import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16

from search.engine.compression import Projection
from search.engine.ragged_tokens import RaggedTokens
from search.index.layout import ENTRY_COLUMNS, RECORD_COLUMNS, checksum
from search.index.records import EntryRecord, row_of
from search.index.tables import State


@dataclass(frozen=True, eq=False)
class NewEntry:
    """A video or window that is encoded, of unit length, padding included where that is kept."""

    record: EntryRecord
    source: str
    """Changes where the rows of the stores that it was encoded from do."""
    tokens: Float16[np.ndarray, "token dim"]
    num_real: int


@dataclass(frozen=True, eq=False)
class NewSentence:
    """A sentence that is encoded, like a :class:`NewEntry`."""

    text: str
    words: Float16[np.ndarray, "word dim"]
    num_real: int


@dataclass(frozen=True)
class FailedEntry:
    """Why a video could not be encoded."""

    video_id: str
    path: Path
    source: str
    reason: str


class Change:
    """The next version of a part; the transaction is its caller's."""

    def __init__(self, connection: sqlite3.Connection, state: State) -> None:
        self._connection = connection
        self._before = state
        self._version = state.version + 1
        # How much counts afterwards.
        self._after = state._replace(version=self._version)

    def finish(self) -> None:
        """Makes it count."""
        self._connection.execute(
            "UPDATE state SET version = ?, generation = ?, num_entries = ?, num_tokens = ?, "
            "num_sentences = ?, num_words = ?",
            self._after,
        )

    def keep_projection(self, projection: Projection) -> None:
        """Writes the projection of the generation, unless it is there."""
        arrays = [values.astype("<f4").tobytes() for values in vars(projection).values()]
        self._connection.execute(
            "INSERT OR IGNORE INTO projections VALUES (?, ?, ?, ?, ?)",
            (self._after.generation, *arrays, checksum(*arrays)),
        )

    def kill(self, video_ids: Iterable[str]) -> int:
        """Marks the live entries of some videos as dead; returns how many there were."""
        # The sign keeps SQLite from reading the whole generation, which has its own index.
        return self._update(
            "+generation = ? AND is_live = 1 "
            "AND record IN (SELECT id FROM records WHERE video_id = ?)",
            {video_id: {"is_live": 0} for video_id in video_ids},
        )

    def begin_generation(self, projection: Projection | None) -> None:
        """Begins with no entry and no sentence, in files of their own."""
        generation = self._before.generation + 1
        self._after = State(self._version, generation, 0, 0, 0, 0)
        if projection is not None:
            self.keep_projection(projection)

    def add_sentences(self, texts: Sequence[str], words: RaggedTokens, crcs: Sequence[int]) -> None:
        """Adds the rows of sentences whose words have just been appended."""
        after, places = self._after, _places(words, self._after.num_words, crcs)
        self._insert(
            "sentences",
            [
                (after.generation, after.num_sentences + number, text, *place)
                for number, (text, place) in enumerate(zip(texts, places, strict=True))
            ],
        )
        self._after = after._replace(
            num_sentences=after.num_sentences + len(texts),
            num_words=after.num_words + len(words.tokens),
        )

    def add_entries(
        self, entries: Sequence[NewEntry], signs: RaggedTokens, crcs: Sequence[int]
    ) -> None:
        """Adds the rows of entries whose tokens have just been appended, and their records."""
        ids = self._add_records([(entry.record, entry.source) for entry in entries])
        self.add_rows(ids, self._sentence_of([entry.record for entry in entries]), signs, crcs)

    def add_rows(
        self,
        record_ids: Sequence[int],
        sentences: Sequence[int],
        signs: RaggedTokens,
        crcs: Sequence[int],
    ) -> None:
        """Adds the rows of entries whose records are there; ``sentences`` are rows, or -1."""
        after, places = self._after, _places(signs, self._after.num_tokens, crcs)
        self._insert(
            "entries",
            [
                (
                    after.generation, after.num_entries + number, record_id, sentence,
                    *place[:3], 1, after.version, place[3],
                )
                for number, (record_id, sentence, place) in enumerate(
                    zip(record_ids, sentences, places, strict=True)
                )
            ],
        )  # fmt: skip
        self._after = after._replace(
            num_entries=after.num_entries + len(record_ids),
            num_tokens=after.num_tokens + len(signs.tokens),
        )

    def replace_records(self, replaced: Mapping[int, tuple[EntryRecord, str]]) -> None:
        """Gives entries, by their rows, other records and the sentences of these."""
        ids = self._add_records(list(replaced.values()))
        sentences = self._sentence_of([record for record, _ in replaced.values()])
        # Readers of earlier versions look the old records up, as long as they read the generation.
        self._connection.executemany(
            "UPDATE records SET retired = ? WHERE id = "
            "(SELECT record FROM entries WHERE generation = ? AND entry = ?)",
            [(self._after.generation, self._after.generation, entry) for entry in replaced],
        )
        self._update(
            "generation = ? AND entry = ?",
            {
                entry: {"record": record_id, "sentence": sentence}
                for entry, record_id, sentence in zip(replaced, ids, sentences, strict=True)
            },
        )

    def add_failures(self, failures: Sequence[FailedEntry]) -> None:
        """Records why videos could not be encoded."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)",
            [(f.video_id, os.fsencode(f.path), f.source, f.reason) for f in failures],
        )

    def forget_failures(self, video_ids: Iterable[str]) -> None:
        """Drops the failures of videos that are encoded by now, or deleted."""
        self._connection.executemany(
            "DELETE FROM failures WHERE video_id = ?", [(video_id,) for video_id in video_ids]
        )

    def _update(self, where: str, changes: Mapping[Any, Mapping[str, int]]) -> int:
        """Changes entries of the generation, found by one value each; returns how many."""
        names = ", ".join(ENTRY_COLUMNS)
        rows = []
        for key, values in changes.items():
            found = self._connection.execute(
                f"SELECT {names} FROM entries WHERE {where}",
                (self._after.generation, key),
            )
            for row in found.fetchall():
                changed = dict(zip(ENTRY_COLUMNS, row, strict=True)) | dict(values)
                rows.append(tuple((changed | {"changed": self._version}).values()))
        self._insert("entries", rows)
        return len(rows)

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Adds or replaces rows, with their checksums behind them."""
        if rows:
            places = ", ".join("?" * (len(rows[0]) + 1))
            self._connection.executemany(
                f"INSERT OR REPLACE INTO {table} VALUES ({places})",
                [(*row, checksum(row)) for row in rows],
            )

    def _sentence_of(self, records: Sequence[EntryRecord]) -> list[int]:
        """Returns the row of each record's sentence, -1 for none."""
        texts = [record.text for record in records]
        rows = sentence_rows(self._connection, self._after.generation, filter(None, texts))
        return [rows[text] if text else -1 for text in texts]

    def _add_records(self, records: Sequence[tuple[EntryRecord, str]]) -> list[int]:
        """Adds records and returns their ids."""
        newest = self._connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'records'"
        ).fetchone()
        first = newest[0] + 1 if newest else 1
        ids = list(range(first, first + len(records)))
        names = ", ".join(RECORD_COLUMNS)
        places = ", ".join("?" * (len(RECORD_COLUMNS) + 2))
        self._connection.executemany(
            f"INSERT INTO records (id, {names}, crc) VALUES ({places})",
            [
                (record_id, *row_of(record, self._codes(record.columns), source))
                for record_id, (record, source) in zip(ids, records, strict=True)
            ],
        )
        return ids

    def _codes(self, columns: Mapping[str, str]) -> list[int]:
        """Codes of a record's values, in the order of the filter's columns; new ones get codes."""
        known = dict(self._connection.execute("SELECT name, position FROM filter_columns"))
        for name in columns:
            if name not in known:
                known[name] = len(known)
                self._connection.execute(
                    "INSERT INTO filter_columns VALUES (?, ?)", (known[name], name)
                )
        codes = [0] * len(known)
        for name, value in columns.items():
            if value:
                codes[known[name]] = self._code(known[name], value)
        return codes

    def _code(self, position: int, value: str) -> int:
        found = self._connection.execute(
            "SELECT code FROM filter_values WHERE position = ? AND value = ?", (position, value)
        ).fetchone()
        if found is not None:
            return int(found[0])
        (newest,) = self._connection.execute(
            "SELECT COALESCE(MAX(code), 0) FROM filter_values WHERE position = ?", (position,)
        ).fetchone()
        self._connection.execute(
            "INSERT INTO filter_values VALUES (?, ?, ?)", (position, newest + 1, value)
        )
        return int(newest) + 1


def sentence_rows(
    connection: sqlite3.Connection, generation: int, texts: Iterable[str]
) -> dict[str, int]:
    """Returns text -> row of those of some sentences that a generation holds."""
    found = {}
    for text in dict.fromkeys(texts):
        row = connection.execute(
            "SELECT sentence FROM sentences WHERE generation = ? AND text = ?", (generation, text)
        ).fetchone()
        if row is not None:
            found[text] = int(row[0])
    return found


def _places(rows: RaggedTokens, start: int, crcs: Sequence[int]) -> list[tuple[int, ...]]:
    """First token, number of tokens, number of real ones, and checksum of every entry."""
    first = (rows.first + start).tolist()
    return list(zip(first, rows.num_tokens.tolist(), rows.num_real.tolist(), crcs, strict=True))
