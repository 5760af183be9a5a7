"""What is known of an entry beside its tokens, and how it stands in the index's tables."""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Float32

from search.index.database import DamagedIndexError, naming_state
from search.index.layout import RECORD_COLUMNS, checksum
from search.results import Span

AT_ONCE = 1000
"""Rows that one statement asks for."""


@dataclass(frozen=True, eq=False)
class EntryRecord:
    """What is known of an entry beside its tokens."""

    video_id: str
    """Of the whole video or recording, as in its data set's index."""
    path: Path
    """Of the video's file or folder of frames; absolute."""
    text: str
    """The video's own sentence; empty where it has none."""
    span: Span | None
    """The window of a recording; ``None`` for a whole video."""
    duration: float | None
    """Seconds of the whole video, where the stores know them."""
    columns: dict[str, str]
    """Split and all further columns of the data set's index, without the empty ones."""
    clip_spans: Float32[np.ndarray, "clip 2"]
    """Seconds of the video at which each clip begins and ends; empty where that is not known."""
    start: float = 0.0
    """Seconds of the file at which the video begins: an index may name a part of a recording."""


@dataclass(frozen=True)
class FilterColumns:
    """The columns that entries can be filtered by, and the values that have a code."""

    names: tuple[str, ...] = ()
    values: tuple[Mapping[int, str], ...] = ()
    """Column by column: code -> value. The empty value has the code 0 and is left out."""

    def decoded(self, codes: Sequence[int]) -> dict[str, str]:
        """Returns column -> value of what is not empty; raises ``KeyError`` for an unknown code."""
        named = zip(self.names, self.values, codes, strict=False)
        return {name: values[code] for name, values, code in named if code}


def row_of(record: EntryRecord, codes: Sequence[int], source: str) -> tuple[object, ...]:
    """Returns the values of :data:`RECORD_COLUMNS` and their checksum."""
    start, end = record.span or (None, None)
    values = (
        record.video_id, start, end, os.fsencode(record.path), float(record.start), record.text,
        record.duration, np.array(codes, "<i4").tobytes(),
        np.ascontiguousarray(record.clip_spans, "<f4").tobytes(), source,
    )  # fmt: skip
    return (*values, checksum(values))


@dataclass(frozen=True)
class RecordReader:
    """Looks up rows of the state that never change; any thread may ask."""

    part: Path
    connection: sqlite3.Connection
    lock: Lock = field(default_factory=Lock)

    def records(self, ids: Sequence[int], columns: FilterColumns) -> list[EntryRecord]:
        """Reads records by their ids, in their order.

        Raises :class:`DamagedIndexError` for one that is not what was written.
        """
        names = ", ".join(RECORD_COLUMNS)
        found: dict[int, EntryRecord] = {}
        for rows in self._rows(f"SELECT id, {names}, crc FROM records WHERE id IN", ids):
            key, *values, crc = rows
            if checksum(tuple(values)) != crc:
                raise DamagedIndexError(self.part, f"the record of '{values[0]}' has changed")
            found[key] = _record(values, columns)
        return [found[key] for key in ids]

    def texts(self, generation: int, sentences: Sequence[int]) -> list[str]:
        """Reads sentences, in their order."""
        question = f"SELECT sentence, text FROM sentences WHERE generation = {generation} AND"
        found = dict(self._rows(f"{question} sentence IN", sentences))
        return [found[sentence] for sentence in sentences]

    def entries_of(self, generation: int, video_id: str) -> list[int]:
        """Returns the rows of a video's entries, dead ones too, in the order of their spans."""
        # The sign keeps SQLite from reading the whole generation, which has its own index.
        with self.lock, naming_state(self.part):
            rows = self.connection.execute(
                "SELECT entry FROM records JOIN entries ON entries.record = records.id "
                "WHERE video_id = ? AND +generation = ? ORDER BY span_start, entry",
                (video_id, generation),
            ).fetchall()
        return [entry for (entry,) in rows]

    def num_videos(self, generation: int) -> int:
        """Counts the videos with a live entry, as the state is now."""
        with self.lock, naming_state(self.part):
            (count,) = self.connection.execute(
                "SELECT COUNT(DISTINCT video_id) FROM records JOIN entries "
                "ON entries.record = records.id WHERE generation = ? AND is_live = 1",
                (generation,),
            ).fetchone()
        return int(count)

    def failures(self) -> dict[str, str]:
        """Returns video -> why it could not be encoded, as the state is now."""
        with self.lock, naming_state(self.part):
            rows = self.connection.execute(
                "SELECT video_id, reason FROM failures ORDER BY video_id"
            ).fetchall()
        return dict(rows)

    def _rows(self, question: str, keys: Sequence[int]) -> list[tuple[Any, ...]]:
        rows = []
        with self.lock, naming_state(self.part):
            for first in range(0, len(keys), AT_ONCE):
                some = keys[first : first + AT_ONCE]
                places = ", ".join("?" * len(some))
                rows += self.connection.execute(f"{question} ({places})", some).fetchall()
        return rows


def _record(values: Sequence[Any], columns: FilterColumns) -> EntryRecord:
    video_id, start, end, path, file_start, text, duration, codes, spans, _source = values
    return EntryRecord(
        video_id=video_id,
        path=Path(os.fsdecode(path)),
        text=text,
        span=None if start is None else Span(start, end),
        duration=duration,
        columns=columns.decoded(np.frombuffer(codes, "<i4").tolist()),
        clip_spans=np.frombuffer(spans, "<f4").reshape(-1, 2),
        start=file_start,
    )
