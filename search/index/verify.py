"""Checks that an index is what was written: its tables, every record, every entry's tokens."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from search.index.bank import read_bank
from search.index.database import DamagedIndexError, naming_state
from search.index.layout import ENTRY_COLUMNS, RECORD_COLUMNS, SENTENCE_COLUMNS, checksum
from search.index.part import Part
from search.index.snapshot import Snapshot
from search.index.tables import AT_ONCE
from search.index.token_files import checksums
from seds_core.console import track

ENTRIES_AT_ONCE = 1024


@dataclass
class VerifyResult:
    """What was found in a part."""

    index: Path
    num_entries: int = 0
    """Live ones that were checked."""
    num_sentences: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    """Video -> what of it is not what was written."""
    problems: list[str] = field(default_factory=list)
    """What concerns no single video."""

    @property
    def is_whole(self) -> bool:
        """Whether everything is what was written."""
        return not self.damaged and not self.problems


def verify(path: Path) -> VerifyResult:
    """Checks a part; readers and a writer may go on meanwhile.

    Raises ``DamagedIndexError`` for one that cannot even be opened, and like ``Part.open``.
    """
    result = VerifyResult(path)
    with closing(Part.open(path)) as part:
        snapshot = part.snapshot()
        connection = snapshot.reader.connection
        with naming_state(path):
            for (message,) in connection.execute("PRAGMA integrity_check").fetchall():
                if message != "ok":
                    result.problems.append(f"its tables: {message}")
            _check_rows(connection, snapshot, result)
            _check_tokens(connection, snapshot, result)
        _check_bank(connection, snapshot, result)
        snapshot.lease.release()
    return result


def _check_rows(connection: sqlite3.Connection, snapshot: Snapshot, result: VerifyResult) -> None:
    """Checks every row of the tables by its checksum, whether live or dead."""
    of_generation = f"WHERE generation = {snapshot.generation}"
    for record in _damaged(connection, "records", RECORD_COLUMNS, ""):
        result.damaged[record[0]] = "its record has changed"
    for entry in _damaged(connection, "entries", ENTRY_COLUMNS, of_generation):
        result.damaged[_video_of(connection, entry[2])] = "its row in the index has changed"
    for sentence in _damaged(connection, "sentences", SENTENCE_COLUMNS, of_generation):
        result.problems.append(f"the row of the sentence '{sentence[2]}' has changed")


def _check_bank(connection: sqlite3.Connection, snapshot: Snapshot, result: VerifyResult) -> None:
    """Checks the bank of the training split, and how everything scores with it."""
    settings = snapshot.identity.settings
    try:
        read_bank(snapshot.part, connection, settings.embedding_dim, settings.similarity)
        snapshot.bank_statistics("signs")
        snapshot.bank_statistics("words")
    except DamagedIndexError as error:
        result.problems.append(error.problem)


def _damaged(
    connection: sqlite3.Connection, table: str, columns: tuple[str, ...], where: str
) -> list[tuple[Any, ...]]:
    found = []
    cursor = connection.execute(f"SELECT {', '.join(columns)}, crc FROM {table} {where}")
    while rows := cursor.fetchmany(AT_ONCE):
        found += [row[:-1] for row in rows if checksum(row[:-1]) != row[-1]]
    return found


def _video_of(connection: sqlite3.Connection, record: int) -> str:
    row = connection.execute("SELECT video_id FROM records WHERE id = ?", (record,)).fetchone()
    return "an unknown video" if row is None else str(row[0])


def _check_tokens(connection: sqlite3.Connection, snapshot: Snapshot, result: VerifyResult) -> None:
    """Checks the tokens of what is live, and what stands for them."""
    live = np.flatnonzero(snapshot.is_live)
    used = np.flatnonzero(snapshot.sentence_is_live)
    result.num_entries, result.num_sentences = len(live), len(used)
    for table, key, rows, compressed, entries in (
        ("entries", "entry", snapshot.signs, snapshot.compressed_signs, live),
        ("sentences", "sentence", snapshot.sentences, snapshot.compressed_sentences, used),
    ):
        written = connection.execute(
            f"SELECT {key}, tokens_crc FROM {table} WHERE generation = ?", (snapshot.generation,)
        )
        known = dict(written.fetchall())
        if not len(entries):
            continue
        for first in track(range(0, len(entries), ENTRIES_AT_ONCE), table):
            some = entries[first : first + ENTRIES_AT_ONCE]
            found = checksums(rows, compressed, some).tolist()
            for entry, crc in zip(some.tolist(), found, strict=True):
                if crc == known[entry]:
                    continue
                if table == "entries":
                    video = _video_of(connection, int(snapshot.record_ids[entry]))
                    result.damaged[video] = "its tokens have changed"
                else:
                    (text,) = snapshot.texts([entry])
                    result.problems.append(f"the words of the sentence '{text}' have changed")
