"""Gives back the room of rows that no video of a store has any longer.

Rows keep their numbers, so that whoever reads the store meanwhile goes on: what nobody has becomes
zeros, and chunks of zeros take no room. A part of the rows is emptied with each commit, and a
process may be killed at any moment. Whoever has opened the store before one of its videos changed,
and then asks for the old rows, is told to open it again.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from seds_core.store.arrays import StoreArrays
from seds_core.store.commit import Compacted
from seds_core.store.failures import failure_columns
from seds_core.store.file_checksums import Replacements
from seds_core.store.free_rows import RowsInUse
from seds_core.store.place import StoreLocation, place_of
from seds_core.store.reader import StoreReader
from seds_core.store.shard_files import ShardFiles
from seds_core.store.staging import Staging


@dataclass(frozen=True)
class Room:
    """What compaction gives back, or would."""

    num_rows: int
    """Rows that no video has, and that have not been emptied before."""
    num_failures: int
    """Entries of the table of failures that say nothing any longer."""
    num_bytes: int
    """By which the files shrink; 0 where it was not tried."""


Watch = Callable[[range], Iterable[int]]
"""Passes on numbers one by one, for a progress bar."""


def find_room(location: StoreLocation) -> Room:
    """What :func:`compact_store` would give back, as far as it can be told without doing it."""
    store = StoreReader(location)
    known = store.arrays.root.known
    old = known.num_failures - known.first_failure - len(store.failures)
    return Room(store.num_superseded_rows, old, num_bytes=0)


def compact_store(location: StoreLocation, *, watch: Watch = iter) -> Room:
    """Empties the rows of changed and dropped videos, and drops old failures.

    Raises :class:`~seds_core.store.staging.StoreInUseError` while another process writes to the
    store, and :class:`~seds_core.store.file_checksums.DamagedStoreError` for a damaged file.
    """
    StoreArrays(place_of(location))  # before a folder is made beside what is no store
    with Staging(location, alone=True):
        room = find_room(location)
        arrays = StoreArrays(place_of(location))
        before = _num_bytes(arrays)
        if room.num_rows:
            _empty_rows(arrays, watch)
        if room.num_failures:
            _drop_old_failures(arrays, StoreReader(location))
        return replace(room, num_bytes=before - _num_bytes(arrays))


def _empty_rows(arrays: StoreArrays, watch: Watch) -> None:
    commit = arrays.root.begin()
    in_use = RowsInUse(arrays, commit.num_videos, commit.dropped)
    compacted = Compacted(commit.num_videos, commit.dropped, is_complete=False)
    # Said before the first row goes: who meets a new file then finds it.
    arrays.root.write(replace(commit, compacted=compacted))
    window = max(files.shard for files in _row_files(arrays))
    for number in watch(range(-(-commit.num_rows // window))):
        first = number * window
        is_free = in_use.is_free(first, min(first + window, commit.num_rows))
        if not is_free.any():
            continue
        before = arrays.root.begin()
        with Replacements.of(arrays.place) as replacements:
            for files in _row_files(arrays):
                _empty_shards(arrays, files, replacements, first, is_free)
            arrays.put(replacements, before)
    done = replace(arrays.root.begin(), compacted=replace(compacted, is_complete=True))
    arrays.root.write(done)


def _empty_shards(
    arrays: StoreArrays,
    files: ShardFiles,
    replacements: Replacements,
    first: int,
    is_free: np.ndarray,
) -> None:
    """Writes the shards of one array anew in which one of the entries from ``first`` on is free."""
    for number in files.numbers(first, first + len(is_free)):
        start = number * files.shard - first
        free = is_free[start : start + files.shard]
        if not free.any() or number in files.zeros:
            continue
        # A new file with a checksum of its own must not hide what has become of the present one.
        arrays.files.refuse_damaged(files.name(number))
        replacements.write(files.name(number), files.emptied(number, free))


def _row_files(arrays: StoreArrays) -> Iterator[ShardFiles]:
    for spec in arrays.row_specs:
        yield arrays.files.extensible("rows", spec.name)


def _drop_old_failures(arrays: StoreArrays, store: StoreReader) -> None:
    """Repeats the failures that count at the end of their table, and empties all before."""
    first = arrays.commit.num_failures
    arrays.append({}, {}, failure_columns(store.failures.values(), arrays.commit.num_videos))
    arrays.root.write(replace(arrays.root.begin(), first_failure=first))
    before = arrays.root.begin()
    is_free = np.arange(before.num_failures) < first
    with Replacements.of(arrays.place) as replacements:
        for spec in arrays.files.specs["failures"]:
            files = arrays.files.extensible("failures", spec.name)
            _empty_shards(arrays, files, replacements, 0, is_free)
        arrays.put(replacements, before)


def _num_bytes(arrays: StoreArrays) -> int:
    return sum(checksum.num_bytes for checksum in arrays.commit.files.values())
