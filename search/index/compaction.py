"""Makes a part compact: dead entries go, and the projection is fitted to what is there now.

The live entries are copied into a new generation, which one transaction puts in the old one's
place. Readers of the old one go on; its files are removed when the last of them has let go.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from search.engine.compression import Projection
from search.engine.ragged_tokens import RaggedTokens
from search.index.bank import copy_statistics
from search.index.database import DamagedIndexError
from search.index.layout import generation_folder
from search.index.part import Part
from search.index.snapshot import Snapshot
from search.index.token_files import TokenFiles, checksums, make_generation, ragged
from search.index.writer import PROJECTION_SAMPLE, PartWriter, fitted, open_writer
from seds_core.console import progress_bar
from seds_core.errors import first_names

ENTRIES_AT_ONCE = 1024
"""Whose tokens are in memory together."""


@dataclass(frozen=True)
class CompactResult:
    """What a compaction has done."""

    num_entries: int
    """Live ones, which it kept."""
    num_removed: int
    """Dead ones."""
    num_sentences: int
    bytes_before: int
    """On the disk."""
    bytes_after: int
    """No less than before as long as somebody reads the old generation."""


def compact(path: Path) -> CompactResult:
    """Makes the part at a path compact.

    Raises ``DamagedIndexError`` naming the videos of which something has changed on the disk, and
    leaves the part as it was; also for a full disk.
    """
    with open_writer(path) as writer:
        return compact_part(writer)


def compact_part(writer: PartWriter) -> CompactResult:
    """Makes the part that a writer holds compact. Raises like :func:`compact`."""
    before = bytes_on_disk(writer.path)
    with closing(Part.open(writer.path)) as part:
        snapshot = part.snapshot()
        try:
            result = _copied(writer, snapshot)
        finally:
            snapshot.lease.release()
    writer.remove_what_nobody_reads()
    return CompactResult(*result, before, bytes_on_disk(writer.path))


def bytes_on_disk(part: Path) -> int:
    """Returns the size of all files of a part."""
    return sum(file.stat().st_size for file in part.rglob("*") if file.is_file())


def _copied(writer: PartWriter, snapshot: Snapshot) -> tuple[int, int, int]:
    """Copies what is live; returns entries kept and left out, and sentences kept."""
    state = writer.state
    entries = np.flatnonzero(snapshot.is_live)
    sentences = np.flatnonzero(snapshot.sentence_is_live)
    folder = generation_folder(writer.path, state.generation + 1)
    make_generation(folder)
    projection = _fitted_anew(snapshot, entries, sentences, writer.identity.search.coarse_dim)
    copy = _Copy(writer, snapshot, folder, projection)
    words, word_crcs = copy.copied("words", sentences)
    signs, sign_crcs = copy.copied("signs", entries)
    # Rows of the sentences that are left, by those that they had.
    new_rows = np.full(len(snapshot.sentences) + 1, -1)
    new_rows[sentences] = np.arange(len(sentences))
    with writer.changing(state) as change:
        change.begin_generation(projection)
        change.add_sentences(snapshot.texts(sentences), words, word_crcs)
        change.add_rows(
            snapshot.record_ids[entries].tolist(),
            new_rows[snapshot.sentence_of_entry[entries]].tolist(),
            signs,
            sign_crcs,
        )
        copy_statistics(
            writer.path,
            writer.connection,
            (state.generation, state.generation + 1),
            {"signs": entries, "words": sentences},
            {"signs": len(snapshot.is_live), "words": len(snapshot.sentences)},
        )
    return len(entries), len(snapshot.is_live) - len(entries), len(sentences)


def _fitted_anew(
    snapshot: Snapshot,
    entries: Int64[np.ndarray, " entry"],
    sentences: Int64[np.ndarray, " text"],
    coarse_dim: int,
) -> Projection | None:
    """The projection for what is kept, from entries spread evenly over it."""
    samples = [_sample(snapshot.signs, entries), _sample(snapshot.sentences, sentences)]
    if not any(len(sample.tokens) for sample in samples):
        return None
    return fitted(samples[0].tokens, samples[1].tokens, coarse_dim)


def _sample(rows: RaggedTokens, entries: Int64[np.ndarray, " entry"]) -> RaggedTokens:
    num_tokens = int(rows.num_tokens[entries].sum())
    return _taken(rows, entries[:: -(-num_tokens // PROJECTION_SAMPLE) or 1])


def _taken(rows: RaggedTokens, entries: Int64[np.ndarray, " entry"]) -> RaggedTokens:
    """Some entries' tokens, one after the other, in memory."""
    tokens = [rows.of(int(entry)) for entry in entries]
    return ragged(tokens, rows.num_real[entries].tolist(), rows.tokens.shape[1])


@dataclass(frozen=True)
class _Copy:
    """From one generation's files to the next one's."""

    writer: PartWriter
    snapshot: Snapshot
    folder: Path
    projection: Projection | None

    def copied(
        self, prefix: str, entries: Int64[np.ndarray, " entry"]
    ) -> tuple[RaggedTokens, list[int]]:
        """Copies some entries' tokens and compresses them anew.

        Returns where they are, with no tokens in it but one for each row, and their checksums.
        """
        is_signs = prefix == "signs"
        rows = self.snapshot.signs if is_signs else self.snapshot.sentences
        compressed = (
            self.snapshot.compressed_signs if is_signs else self.snapshot.compressed_sentences
        )
        known = self._known_checksums("entries" if is_signs else "sentences")
        files = TokenFiles(self.folder, prefix)
        crcs: list[int] = []
        num_tokens = 0
        with progress_bar() as progress:
            task = progress.add_task(prefix, total=len(entries), rates="")
            for first in range(0, len(entries), ENTRIES_AT_ONCE):
                some = entries[first : first + ENTRIES_AT_ONCE]
                found = checksums(rows, compressed, some)
                self._refuse_damaged(prefix, some[found != known[some]])
                taken = _taken(rows, some)
                assert self.projection is not None, "there are tokens to copy"
                crcs += files.append(
                    taken, self.projection, num_entries=first, num_tokens=num_tokens
                )
                num_tokens += len(taken.tokens)
                progress.update(task, completed=len(crcs))
        counts = rows.num_tokens[entries]
        ends = np.cumsum(counts, dtype=np.int64)
        places = np.empty((num_tokens, 0), np.float16)
        return RaggedTokens(places, ends - counts, counts, rows.num_real[entries]), crcs

    def _known_checksums(self, table: str) -> Int64[np.ndarray, " entry"]:
        key = "entry" if table == "entries" else "sentence"
        found = self.writer.connection.execute(
            f"SELECT tokens_crc FROM {table} WHERE generation = ? ORDER BY {key}",
            (self.snapshot.generation,),
        )
        return np.array([crc for (crc,) in found], np.int64)

    def _refuse_damaged(self, prefix: str, damaged: Int64[np.ndarray, " _"]) -> None:
        if not len(damaged):
            return
        if prefix == "signs":
            names = [record.video_id for record in self.snapshot.records(damaged)]
        else:
            names = self.snapshot.texts(damaged)
        raise DamagedIndexError(
            self.writer.path, f"the tokens of {first_names(names)} have changed"
        )
