"""A part of an index, opened to be read: it hands out snapshots, each of one version."""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from threading import RLock

from search.index.database import (
    DamagedIndexError,
    IndexFolderError,
    has_fact,
    open_state,
    read_fact,
    reading,
)
from search.index.identity import IndexIdentity
from search.index.layout import STATE, generation_folder
from search.index.leases import Lease
from search.index.records import RecordReader
from search.index.snapshot import Snapshot
from search.index.tables import read_snapshot, read_state

ATTEMPTS = 50
"""At a snapshot, each while a generation is being replaced."""


class Part:
    """An open part. Any thread may ask it; what one snapshot says stays together."""

    def __init__(self, path: Path, identity: IndexIdentity, connection: sqlite3.Connection) -> None:
        self.path = path
        self.identity = identity
        self._connection = connection
        self._reader = RecordReader(path, connection)
        self._lock = RLock()
        self._newest: Snapshot | None = None

    @classmethod
    def open(cls, path: Path) -> "Part":
        """Opens the part in a folder.

        Raises ``IndexFolderError`` for a folder that is none, and ``DamagedIndexError``.
        """
        connection = open_state(path)
        identity = IndexIdentity.from_json(read_fact(path, connection, "identity"))
        return cls(path, identity, connection)

    def snapshot(self) -> Snapshot:
        """Returns the newest version: the same object as long as nothing has changed.

        Raises ``DamagedIndexError`` where a file is missing or shorter than what was committed.
        """
        with self._lock, self._reader.lock:
            for attempt in range(ATTEMPTS):
                state = read_state(self.path, self._connection)
                if self._newest is not None and self._newest.version == state.version:
                    return self._newest
                if snapshot := self._read(state.generation):
                    self._newest = snapshot
                    return snapshot
                # The generation is being replaced: the next look finds the new one.
                time.sleep(0.01 * attempt)
        raise DamagedIndexError(self.path, f"it lacks the folder generation-{state.generation}")

    def fact(self, name: str) -> str | None:
        """Reads one of the plain facts of the part; ``None`` where it has none of the name."""
        with self._lock, self._reader.lock:
            if not has_fact(self._connection, name):
                return None
            return read_fact(self.path, self._connection, name)

    def close(self) -> None:
        """Closes the state; snapshots keep their tokens, but look nothing up any more."""
        with self._lock:
            self._newest = None
            self._connection.close()

    def _read(self, generation: int) -> Snapshot | None:
        """Reads a snapshot of a generation; ``None`` where that is gone."""
        known = self._newest
        if known is not None and known.generation != generation:
            known = None
        lease = known.lease if known else Lease.take(generation_folder(self.path, generation))
        if lease is None:
            return None
        with reading(self.path, self._connection):
            state = read_state(self.path, self._connection)
            if state.generation != generation:
                return None
            return read_snapshot(self.path, self.identity, self._reader, state, known, lease)


def open_parts(paths: Sequence[Path]) -> list[Part]:
    """Opens the parts that some paths name: a part, or a folder whose folders are parts.

    Raises ``IndexFolderError`` for a path that names none, ``OtherModelError`` where not all are
    of one model, and ``DamagedIndexError``.
    """
    folders = [folder for path in paths for folder in part_folders(path)]
    parts: list[Part] = []
    try:
        for folder in dict.fromkeys(folder.resolve() for folder in folders):
            part = Part.open(folder)
            parts.append(part)
            first = parts[0]
            first.identity.refuse_other_model(part.identity, first.path, part.path)
    except BaseException:
        for part in parts:
            part.close()
        raise
    return parts


def part_folders(path: Path) -> list[Path]:
    """Returns the folders of the parts that a path names. Raises ``IndexFolderError``."""
    if (path / STATE).is_file():
        return [path]
    if not path.exists():
        raise IndexFolderError(f"there is no index {path}: seds-search build makes one")
    found = sorted(state.parent for state in path.glob(f"*/{STATE}"))
    if not found:
        raise IndexFolderError(
            f"{path} is no index: neither it nor a folder in it has a file {STATE}. "
            "seds-search build makes one"
        )
    return found
