"""Changes a part: appends entries and sentences, replaces records, marks entries as dead.

The order makes every change whole or absent, whenever the process dies: rows go behind the end of
the files, the files go to the disk, and one transaction makes them count.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from jaxtyping import Float16

from search.engine.compression import Projection
from search.engine.ragged_tokens import RaggedTokens
from search.index.bank import (
    Bank,
    Kind,
    has_bank,
    read_bank,
    read_statistics,
    write_bank,
    write_statistics,
)
from search.index.changes import Change, FailedEntry, NewEntry, NewSentence, sentence_rows
from search.index.database import (
    create_state,
    has_fact,
    naming_state,
    open_state,
    read_fact,
    write_fact,
    writing,
)
from search.index.identity import IndexIdentity
from search.index.layout import LOCK, STATE, generation_folder
from search.index.leases import remove_unless_read
from search.index.records import EntryRecord
from search.index.tables import State, read_projection, read_state
from search.index.token_files import TokenFiles, make_generation, ragged
from seds_core.errors import UsageError
from train.evaluation.hubness import BankStatistics

PROJECTION_SAMPLE = 50_000
"""Tokens, of signs and of sentences each, that a projection is fitted to at most."""

FEW_TOKENS = 20_000
"""A projection that was fitted to fewer is fitted anew once the index has outgrown them."""

OUTGROWN = 4
"""How many times as many tokens there are then."""

FITTED = "fitted_tokens"
"""Fact: generation and number of tokens that its projection was fitted to."""


class IndexInUseError(UsageError):
    """An index that another process is writing to."""


@contextmanager
def open_writer(path: Path, create: IndexIdentity | None = None) -> "Iterator[PartWriter]":
    """Opens the part in a folder to write to; nobody else can as long as the block lasts.

    ``create`` makes an empty part where there is none; whether an existing one has that identity is
    for the caller to compare. Raises :class:`IndexInUseError`, and like
    :meth:`~search.index.part.Part.open`.
    """
    if create is None:
        open_state(path).close()  # a folder that is no index gets no lock file
    path.mkdir(parents=True, exist_ok=True)
    # Held by the process, whichever thread lets it go; the system takes it from one that dies.
    lock = FileLock(path / LOCK, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise IndexInUseError(
            f"another process is writing to the index {path}: wait for its end, or stop it. "
            "Searching goes on meanwhile"
        ) from None
    try:
        if create is not None and not (path / STATE).exists():
            make_generation(generation_folder(path, 1))
            create_state(path, {"identity": create.to_json()})
        connection = open_state(path)
        try:
            identity = IndexIdentity.from_json(read_fact(path, connection, "identity"))
            writer = PartWriter(path, identity, connection)
            writer.remove_what_nobody_reads()
            yield writer
        finally:
            connection.close()
    finally:
        lock.release()


class PartWriter:
    """Changes the part that it holds locked; every call is one change, whole or absent."""

    def __init__(self, path: Path, identity: IndexIdentity, connection: sqlite3.Connection) -> None:
        self.path = path
        self.identity = identity
        self.connection = connection
        settings = identity.settings
        self._bank = read_bank(path, connection, settings.embedding_dim, settings.similarity)

    @property
    def has_bank(self) -> bool:
        """Whether what is added gets its scores with the training split, and what is there has."""
        state = self.state
        counts: dict[Kind, int] = {"signs": state.num_entries, "words": state.num_sentences}
        return self._bank is not None and all(
            read_statistics(self.path, self.connection, state.generation, kind, number) is not None
            for kind, number in counts.items()
        )

    @property
    def state(self) -> State:
        """How much counts now."""
        return read_state(self.path, self.connection)

    def missing_sentences(self, texts: Iterable[str]) -> list[str]:
        """Returns the distinct sentences that the part does not hold, without the empty one."""
        wanted = dict.fromkeys(text for text in texts if text)
        known = sentence_rows(self.connection, self.state.generation, wanted)
        return [text for text in wanted if text not in known]

    def append(
        self,
        entries: Sequence[NewEntry],
        sentences: Sequence[NewSentence] = (),
        *,
        failures: Sequence[FailedEntry] = (),
    ) -> None:
        """Adds entries, and the sentences of theirs that the part does not hold.

        What the part had of the same videos, and of those that failed, dies in the same moment.
        """
        state, dim = self.state, self.identity.settings.embedding_dim
        folder = generation_folder(self.path, state.generation)
        signs = ragged([e.tokens for e in entries], [e.num_real for e in entries], dim)
        words = ragged([s.words for s in sentences], [s.num_real for s in sentences], dim)
        projection = read_projection(self.path, self.connection, state.generation)
        is_first = projection is None
        if projection is None and len(signs.tokens) + len(words.tokens):
            projection = fitted(signs.tokens, words.tokens, self.identity.search.coarse_dim)
        crcs: dict[str, list[int]] = {"signs": [], "words": []}
        if projection is not None:
            crcs["signs"] = TokenFiles(folder, "signs").append(
                signs, projection, num_entries=state.num_entries, num_tokens=state.num_tokens
            )
            crcs["words"] = TokenFiles(folder, "words").append(
                words, projection, num_entries=state.num_sentences, num_tokens=state.num_words
            )
        videos = {entry.record.video_id for entry in entries}
        with self.changing(state) as change, self._scored_with_bank(state, signs, words):
            if projection is not None:
                change.keep_projection(projection)
            if is_first:
                fitted_to = len(signs.tokens) + len(words.tokens)
                write_fact(self.connection, FITTED, f"{state.generation} {fitted_to}")
            change.kill(videos | {failure.video_id for failure in failures})
            change.add_sentences([s.text for s in sentences], words, crcs["words"])
            change.add_entries(entries, signs, crcs["signs"])
            change.forget_failures(videos)
            change.add_failures(failures)

    def replace_records(
        self,
        replaced: Mapping[int, tuple[EntryRecord, str]],
        sentences: Sequence[NewSentence] = (),
    ) -> None:
        """Gives entries, by their rows, other records and sources; their tokens stay.

        ``sentences`` are those of the new records that the part does not hold.
        """
        state, dim = self.state, self.identity.settings.embedding_dim
        words = ragged([s.words for s in sentences], [s.num_real for s in sentences], dim)
        projection = read_projection(self.path, self.connection, state.generation)
        assert projection is not None, "an index with entries has a projection"
        crcs = TokenFiles(generation_folder(self.path, state.generation), "words").append(
            words, projection, num_entries=state.num_sentences, num_tokens=state.num_words
        )
        no_signs = ragged([], [], dim)
        with self.changing(state) as change, self._scored_with_bank(state, no_signs, words):
            change.add_sentences([s.text for s in sentences], words, crcs)
            change.replace_records(replaced)

    def keep_bank(
        self, bank: Bank, signs: RaggedTokens, words: RaggedTokens, facts: Mapping[str, str]
    ) -> None:
        """Keeps a bank from now on, and with it how all rows that are there score.

        ``signs`` and ``words`` are these rows. ``facts`` are written in the same transaction.
        """
        state = self.state
        statistics: dict[Kind, BankStatistics] = {
            "signs": bank.statistics("signs", signs),
            "words": bank.statistics("words", words),
        }
        with self.changing(state):
            write_bank(self.connection, bank)
            self.connection.execute(
                "DELETE FROM bank_statistics WHERE generation = ?", (state.generation,)
            )
            for kind, found in statistics.items():
                write_statistics(self.connection, state.generation, kind, 0, found)
            for name, value in facts.items():
                write_fact(self.connection, name, value)
        self._bank = bank

    @contextmanager
    def _scored_with_bank(
        self, state: State, signs: RaggedTokens, words: RaggedTokens
    ) -> Iterator[None]:
        """Also writes, at the end of a transaction, how rows that it adds score with the bank."""
        yield
        if self._bank is None:
            return
        added: dict[Kind, tuple[RaggedTokens, int]] = {
            "signs": (signs, state.num_entries),
            "words": (words, state.num_sentences),
        }
        for kind, (rows, first) in added.items():
            found = self._bank.statistics(kind, rows)
            write_statistics(self.connection, state.generation, kind, first, found)

    def delete(self, video_ids: Iterable[str]) -> int:
        """Marks all entries of some videos as dead; returns how many there were."""
        wanted = list(video_ids)
        with self.changing(self.state) as change:
            change.forget_failures(wanted)
            return change.kill(wanted)

    def write_fact(self, name: str, value: str) -> None:
        """Writes or replaces a fact, which is no part of any version."""
        with writing(self.path, self.connection):
            write_fact(self.connection, name, value)

    @property
    def has_outgrown_its_projection(self) -> bool:
        """Whether the first tokens, to which it was fitted, say little of what is there now."""
        state = self.state
        if not has_fact(self.connection, FITTED):
            return False
        generation, fitted_to = map(int, read_fact(self.path, self.connection, FITTED).split())
        num_tokens = state.num_tokens + state.num_words
        # Compaction fits to all there is, and leaves the fact of an earlier generation.
        is_own = generation == state.generation
        return is_own and fitted_to < FEW_TOKENS and num_tokens >= OUTGROWN * fitted_to

    def remove_what_nobody_reads(self) -> None:
        """Removes generations that are no more, or never came to be, and what only they had."""
        current = self.state.generation
        for folder in self.path.glob("generation-*"):
            number = folder.name.removeprefix("generation-")
            if number.isdecimal() and int(number) != current:
                remove_unless_read(folder)
        rows = self.connection.execute(
            "SELECT generation FROM projections WHERE generation < ?", (current,)
        ).fetchall()
        old = [number for (number,) in rows]
        gone = [number for number in old if not generation_folder(self.path, number).exists()]
        if not gone:
            return
        # A record that another one replaced is still looked up by whoever reads the generation in
        # which that happened.
        read = [current, *(number for number in old if number not in gone)]
        with writing(self.path, self.connection):
            tables = ["entries", "sentences", "projections"]
            tables += ["bank_statistics"] * has_bank(self.connection)
            for table in tables:
                self.connection.executemany(
                    f"DELETE FROM {table} WHERE generation = ?", [(number,) for number in gone]
                )
            self.connection.execute(
                "DELETE FROM records WHERE id NOT IN (SELECT record FROM entries) AND "
                f"(retired IS NULL OR retired NOT IN ({', '.join(map(str, read))}))"
            )
        with naming_state(self.path):
            self.connection.execute("PRAGMA incremental_vacuum").fetchall()

    @contextmanager
    def changing(self, state: State) -> Iterator[Change]:
        """One transaction, which makes the next version of the state."""
        with writing(self.path, self.connection):
            change = Change(self.connection, state)
            yield change
            change.finish()


def fitted(
    signs: Float16[np.ndarray, "_ dim"],
    words: Float16[np.ndarray, "_ dim"],
    coarse_dim: int,
) -> Projection:
    """Fits a projection to tokens drawn evenly from all of them."""
    samples = (tokens[:: -(-len(tokens) // PROJECTION_SAMPLE) or 1] for tokens in (signs, words))
    return Projection.fit(*samples, coarse_dim=coarse_dim)
