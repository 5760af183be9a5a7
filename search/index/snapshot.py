"""One version of an index, as readers see it: tokens, records, filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int32, Int64

from search.engine.compression import CompressedTokens, Projection
from search.engine.ragged_tokens import RaggedTokens
from search.index.bank import Kind, read_statistics
from search.index.identity import IndexIdentity
from search.index.leases import Lease
from search.index.records import EntryRecord, FilterColumns, RecordReader
from seds_core.errors import UsageError
from train.evaluation.hubness import BankStatistics


class UnknownFilterError(UsageError):
    """A column that the index does not have; the message lists those it has."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A version of a part: whatever is written later does not show in it.

    Entries are rows of the arrays. Later versions of the same ``generation`` have the same entries
    in the same rows and further ones behind them; an entry that dies keeps its row.
    """

    part: Path
    identity: IndexIdentity
    version: int
    """Grows with every change of the part."""
    generation: int
    """Grows when the part is made compact, which gives the entries other rows."""
    signs: RaggedTokens
    """Of the stage's stream."""
    compressed_signs: CompressedTokens
    projection: Projection | None
    """Of signs and sentences alike; ``None`` for an index without any entry."""
    is_live: Bool[np.ndarray, " entry"]
    sentences: RaggedTokens
    """Words of each distinct sentence."""
    compressed_sentences: CompressedTokens
    sentence_is_live: Bool[np.ndarray, " text"]
    """Whether a live entry has it."""
    sentence_of_entry: Int64[np.ndarray, " entry"]
    """Row of an entry's sentence; -1 for none."""
    record_ids: Int64[np.ndarray, " entry"]
    columns: FilterColumns
    codes: Int32[np.ndarray, "entry _"]
    """Of each entry's values, by :attr:`columns`."""
    reader: RecordReader
    lease: Lease
    """As long as it is held, nothing that this version looks up is removed."""

    @property
    def num_live(self) -> int:
        """Entries that can be found."""
        return int(self.is_live.sum())

    def records(self, entries: Sequence[int] | Int64[np.ndarray, " entry"]) -> list[EntryRecord]:
        """Reads the records of some entries, in their order.

        Raises ``DamagedIndexError`` for one that is not what was written.
        """
        return self.reader.records([int(self.record_ids[e]) for e in entries], self.columns)

    def entries_of(self, video_id: str) -> list[int]:
        """Returns the live entries of a video: itself, or its windows in their order."""
        found = self.reader.entries_of(self.generation, video_id)
        return [entry for entry in found if entry < len(self.is_live) and self.is_live[entry]]

    def texts(self, sentences: Sequence[int] | Int64[np.ndarray, " text"]) -> list[str]:
        """Reads some sentences, in their order."""
        return self.reader.texts(self.generation, [int(sentence) for sentence in sentences])

    def entries_with(self, sentence: int) -> Int64[np.ndarray, " _"]:
        """Returns the live entries that have a sentence."""
        return np.flatnonzero((self.sentence_of_entry == sentence) & self.is_live)

    def bank_statistics(self, kind: Kind) -> BankStatistics | None:
        """Reads how the entries, or the sentences, score with the training split of the run.

        ``None`` for an index that does not know of all of them. Raises ``DamagedIndexError``.
        """
        rows = self.signs if kind == "signs" else self.sentences
        with self.reader.lock:
            return read_statistics(
                self.part, self.reader.connection, self.generation, kind, len(rows)
            )

    def allowed(
        self, filters: Mapping[str, Sequence[str]] | None = None
    ) -> Bool[np.ndarray, " entry"]:
        """Returns which live entries have, in every column, one of the values asked for.

        A value that no entry has allows none. Raises :class:`UnknownFilterError`.
        """
        allowed = self.is_live.copy()
        for column, values in (filters or {}).items():
            if column not in self.columns.names:
                known = ", ".join(self.columns.names) or "none"
                raise UnknownFilterError(
                    f"the index {self.part} has no column '{column}' to filter by; it has: {known}"
                )
            position = self.columns.names.index(column)
            wanted = set(values)
            codes = [c for c, value in self.columns.values[position].items() if value in wanted]
            codes += [0] * ("" in wanted)
            allowed &= np.isin(self.codes[:, position], codes)
        return allowed

    def filter_values(self) -> dict[str, tuple[str, ...]]:
        """Returns column -> the values that live entries have, sorted, without the empty one."""
        live = self.codes[self.is_live]
        return {
            name: tuple(sorted(values[code] for code in np.unique(codes).tolist() if code))
            for name, values, codes in zip(
                self.columns.names, self.columns.values, live.T, strict=True
            )
        }
