"""What an index holds, in numbers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from search.index.compaction import bytes_on_disk
from search.index.identity import IndexIdentity
from search.index.layout import LAYOUT_VERSION
from search.index.part import Part, open_parts
from search.index.snapshot import Snapshot


@dataclass(frozen=True)
class PartInfo:
    """What one part holds."""

    path: Path
    version: int
    generation: int
    num_entries: int
    """Live ones: videos and windows."""
    num_dead: int
    """Deleted ones, which compact removes."""
    num_videos: int
    num_windows: int
    num_sentences: int
    """Distinct ones that a live entry has."""
    num_failed: int
    """Videos that could not be encoded."""
    bytes_on_disk: int
    bytes_in_memory: int
    """Of what every query needs at hand: compressed tokens, and the tables of the entries."""


@dataclass(frozen=True)
class IndexInfo:
    """What an index holds: all of its parts."""

    identity: IndexIdentity
    parts: tuple[PartInfo, ...]
    columns: dict[str, int]
    """Column to filter by -> how many values it has."""
    layout_version: int = LAYOUT_VERSION

    @property
    def num_entries(self) -> int:
        """Videos and windows of all parts."""
        return sum(part.num_entries for part in self.parts)

    @property
    def num_videos(self) -> int:
        """Videos of all parts."""
        return sum(part.num_videos for part in self.parts)

    @property
    def bytes_per_entry(self) -> float:
        """Bytes that every query needs at hand, an entry."""
        held = sum(part.bytes_in_memory for part in self.parts)
        return held / max(1, self.num_entries + sum(part.num_dead for part in self.parts))


def index_info(*paths: Path) -> IndexInfo:
    """Returns what an index holds; several paths are parts of one. Raises like ``open_parts``."""
    parts = open_parts(paths)
    try:
        return info_of(parts)
    finally:
        for part in parts:
            part.close()


def info_of(parts: "list[Part]") -> IndexInfo:
    """Returns what open parts hold."""
    values: dict[str, set[str]] = {}
    found = []
    for part in parts:
        snapshot = part.snapshot()
        found.append(_part_info(snapshot))
        for column, known in snapshot.filter_values().items():
            values.setdefault(column, set()).update(known)
    columns = {column: len(known) for column, known in values.items()}
    return IndexInfo(parts[0].identity, tuple(found), columns)


def _part_info(snapshot: Snapshot) -> PartInfo:
    num_windows = snapshot.num_live if snapshot.identity.windows else 0
    tables = (
        snapshot.signs.first, snapshot.signs.num_tokens, snapshot.signs.num_real, snapshot.is_live,
        snapshot.sentence_of_entry, snapshot.record_ids, snapshot.codes,
    )  # fmt: skip
    compressed = vars(snapshot.compressed_signs).values()
    return PartInfo(
        path=snapshot.part,
        version=snapshot.version,
        generation=snapshot.generation,
        num_entries=snapshot.num_live,
        num_dead=len(snapshot.is_live) - snapshot.num_live,
        num_videos=snapshot.reader.num_videos(snapshot.generation),
        num_windows=num_windows,
        num_sentences=int(snapshot.sentence_is_live.sum()),
        num_failed=len(snapshot.reader.failures()),
        bytes_on_disk=bytes_on_disk(snapshot.part),
        bytes_in_memory=sum(np.asarray(values).nbytes for values in (*tables, *compressed)),
    )
