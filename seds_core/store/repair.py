"""Checks the bytes of a store, drops exactly the damaged videos and makes its files whole again.

What can be read stays to the bit. A chunk that cannot becomes zeros, and a video with a row in it
is dropped, as is one whose rows or whose entry of the table are not what was written. Everything
changes with one commit: a process may be killed at any moment.
"""

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seds_core.store.arrays import StoreArrays
from seds_core.store.commit import Failures, Part, described
from seds_core.store.file_checksums import (
    DamagedStoreError,
    FileChecksum,
    Replacement,
    Replacements,
)
from seds_core.store.layout import ENTRY_CHECKSUM, VIDEO_ARRAYS, ArraySpec
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader, VideoEntry, entry_checksums
from seds_core.store.records import FailedVideo, rows_checksum
from seds_core.store.shard_files import ShardFiles
from seds_core.store.staging import Staging
from seds_core.video_id import video_id_of


def damaged_files(arrays: StoreArrays) -> Iterator[tuple[Path, str]]:
    """Files that are missing or not what was written, and what is wrong; all are read."""
    for path in arrays.files.needed():
        try:
            problem = arrays.files.damage(path, thorough=True)
        except DamagedStoreError as error:
            problem = error.what
        if problem:
            yield path, problem


def files_without_checksum(arrays: StoreArrays) -> list[Path]:
    """Files that an earlier version has written."""
    return [path for path in arrays.files.needed() if not arrays.root.expected(path)]


def structure_problems(store: StoreReader) -> list[str]:
    """What is wrong with the arrays and the table of videos; empty when nothing is."""
    files = store.arrays.files
    described = (files.metadata_problem(part, spec) for part, spec in files.each_spec())
    problems = [problem for problem in described if problem]
    for index in changed_entries(store.arrays):
        problems.append(f"entry {index} of the table of videos is not what was written")
    # Every video's rows must exist and belong to it alone.
    previous: VideoEntry | None = None
    for entry in sorted(store.videos.values(), key=lambda entry: entry.first_row):
        if entry.num_rows < 1 or entry.rows.stop > store.num_rows:
            problems.append(
                f"'{entry.video_id}': rows {entry.first_row} + {entry.num_rows} do not exist"
            )
        if previous and previous.rows.stop > entry.first_row:
            problems.append(f"'{entry.video_id}' and '{previous.video_id}' claim the same rows")
        previous = entry
    return problems


def checksum_problem(store: StoreReader, video_id: str) -> str | None:
    """What is wrong with the rows of one video; ``None`` when they are as written."""
    try:
        store.rows(video_id)
    except DamagedStoreError as error:
        return error.what
    return None


def changed_entries(arrays: StoreArrays) -> list[int]:
    """Places of the table's entries that are not what was written, as far as it can be told."""
    if ENTRY_CHECKSUM not in arrays.files.specs["videos"]:
        return []
    count = arrays.files.count("videos")
    names = [spec.name for spec in (*VIDEO_ARRAYS, ENTRY_CHECKSUM)]
    columns = {name: arrays.read_video_column(name, count).tolist() for name in names}
    written = zip(columns[ENTRY_CHECKSUM.name], entry_checksums(columns), strict=True)
    changed = {index for index, (before, now) in enumerate(written) if before != now}
    return sorted(changed - set(arrays.commit.dropped))


_REASON = "it was damaged in the store and 'repair' dropped it: the next run does it again"


@dataclass(frozen=True)
class Damage:
    """What is wrong with a store and can be mended."""

    files: dict[Path, str]
    """Damaged files, and what is wrong with each."""
    indexes: tuple[int, ...]
    """Of the table's entries to drop."""
    failures: Failures
    """Of the videos to drop, as far as their names are known."""
    num_unlisted: int
    """Sound files that an earlier version has written without a checksum."""


Watch = Callable[[Sequence[int]], Iterable[int]]
"""Passes on the indexes of the table's entries one by one, for a progress bar."""


def find_damage(path: Path, *, watch: Watch = iter) -> Damage:
    """Reads all of a store and changes nothing; raises like :func:`repair_store`."""
    arrays = StoreArrays(path)
    with tempfile.TemporaryDirectory() as folder:
        return _Repair(arrays, Path(folder), watch).damage


def repair_store(path: Path, *, watch: Watch = iter) -> Damage:
    """Mends a store and gives what was wrong; all of its files have checksums afterwards.

    Raises :class:`~seds_core.store.staging.StoreInUseError` while another process writes to the
    store, and like :class:`StoreArrays` where the root cannot be read and nothing can be mended.
    """
    StoreArrays(path)  # before a folder is made beside what is no store
    with Staging(path).alone(), tempfile.TemporaryDirectory() as folder:
        arrays = StoreArrays(path)
        repair = _Repair(arrays, Path(folder), watch)
        repair.carry_out()
        return repair.damage


class _Repair:
    def __init__(self, arrays: StoreArrays, folder: Path, watch: Watch) -> None:
        """``folder`` is for an empty store, whose arrays are described alike."""
        self._arrays = arrays
        # Damaged metadata are replaced by those of an empty store that is made in the same way.
        self._template = StoreArrays.create(folder / "template.zarr", arrays.provenance)
        for part, spec in arrays.files.each_spec():
            self._open_array(part, spec)
        files = dict(damaged_files(arrays))
        self._table = _Table(arrays, files)
        bad = self._table.bad_entries()
        bad |= self._with_bad_rows(bad, watch)
        bad |= self._table.superseded_by(bad)
        # Videos whose names are certain are recorded as failures, so that the next run does them.
        paths = {n: self._table.columns["path"][p] for n, p in self._table.named(bad).items()}
        failures = {n: asdict(FailedVideo.now(n, path, _REASON)) for n, path in paths.items()}
        unlisted = [p for p in arrays.files.needed() if not arrays.root.expected(p)]
        self._unlisted = [path for path in unlisted if path not in files]
        self.damage = Damage(files, tuple(sorted(bad)), failures, len(self._unlisted))

    def carry_out(self) -> None:
        """Replaces the damaged files by whole ones and drops the videos."""
        before = self._arrays.commit
        listed = {self._arrays.root.name(path): FileChecksum.of(path) for path in self._unlisted}
        after = replace(
            before,
            dropped=tuple(sorted({*before.dropped, *self.damage.indexes})),
            failures=before.failures | self.damage.failures,
            files=before.files | listed,
        )
        with Replacements(self._arrays.path) as replacements:
            replacements.add(map(self._whole_file, self.damage.files))
            if after != before or self.damage.files:
                self._arrays.put(replacements, after)

    def _open_array(self, part: Part, spec: ArraySpec) -> None:
        """Makes an array readable as far as it goes, whatever its metadata have become."""
        # Indexes are trusted although their checksums may differ: rows have checksums of their own.
        folder = self._arrays.path / part / spec.name
        is_damaged = self._arrays.files.damage(folder / "zarr.json", thorough=True)
        try:
            files = (self._template if is_damaged else self._arrays).files.opened(part, spec.name)
        except DamagedStoreError:  # of an earlier version, whose metadata have no checksum
            files = self._template.files.opened(part, spec.name)
        if files is None:
            raise StoreMismatchError(
                f"{folder} was stored anew by another program, which this one cannot mend: make a "
                "new store"
            )
        self._arrays.files.use(part, spec.name, replace(files, folder=folder, trusts_indexes=True))

    def _with_bad_rows(self, bad: set[int], watch: Watch) -> set[int]:
        current = self._table.current(bad)
        return {index for index in watch(current) if not self._has_its_rows(index)}

    def _has_its_rows(self, index: int) -> bool:
        entry = self._table.entry(index)
        try:
            rows = self._arrays.read_all_rows(entry.rows)
        except DamagedStoreError:
            return False
        return entry.num_rows > 0 and rows_checksum(rows) == entry.rows_checksum

    def _whole_file(self, path: Path) -> Replacement:
        """Writes what replaces a damaged file, beside it."""
        part, *names = path.relative_to(self._arrays.path).parts
        if path.name == "zarr.json":
            length = self._arrays.files.count(part) if names[1:] else None  # type: ignore[arg-type]
            source = self._template.path / path.relative_to(self._arrays.path)
            return described(source, length, path)
        files = self._arrays.files.opened(part, names[0])  # type: ignore[arg-type]
        assert files is not None
        number = int(names[2])
        if names[0] == ENTRY_CHECKSUM.name:
            return self._table.written_checksums(files, number)
        return files.write_shard(number, [content or b"" for content in files.salvage(number)])


class _Table:
    """The table of videos as far as it can be read; entries go by their index."""

    def __init__(self, arrays: StoreArrays, damaged: Collection[Path]) -> None:
        # Column -> its values, zeros where they are lost, and the indexes that may not be right.
        self.columns: dict[str, list[Any]] = {}
        self._doubtful: dict[str, set[int]] = {}
        for spec in arrays.files.specs["videos"]:
            values, doubtful = _read_column(arrays, spec, damaged)
            self.columns[spec.name], self._doubtful[spec.name] = values, doubtful
        self._known = set(range(arrays.files.count("videos"))) - set(arrays.commit.dropped)
        self._checksums = entry_checksums(self.columns)

    def bad_entries(self) -> set[int]:
        """Entries that are not what was written."""
        recorded = self.columns.get(ENTRY_CHECKSUM.name)
        others = {p for spec in VIDEO_ARRAYS for p in self._doubtful[spec.name]}
        if recorded is None:
            # An earlier version's table: nothing tells sound entries of a damaged file from others.
            return self._known & others
        # Where only the column of checksums is damaged, it is written anew from the others.
        changed = {p for p in self._known if recorded[p] != self._checksums[p]}
        return changed - (self._doubtful[ENTRY_CHECKSUM.name] - others)

    def current(self, bad: set[int]) -> list[int]:
        """The sound entry that counts of each video."""
        return sorted(index for index in self._latest(bad).values() if index not in bad)

    def superseded_by(self, bad: set[int]) -> set[int]:
        """Earlier entries of videos whose present one is bad: they are not to come back."""
        gone = {name for name, index in self._latest(bad).items() if index in bad}
        return {p for p in self._known if self._name(p) in gone}

    def named(self, bad: set[int]) -> dict[str, int]:
        """Name -> index of the bad entries whose names are certain."""
        return {name: index for name, index in self._latest(bad).items() if index in bad}

    def entry(self, index: int) -> VideoEntry:
        """An entry, which may hold anything if it is bad."""
        return VideoEntry(**{spec.name: self.columns[spec.name][index] for spec in VIDEO_ARRAYS})

    def written_checksums(self, files: ShardFiles, number: int) -> Replacement:
        """A new file of the entries' checksums."""
        checksums = np.array(self._checksums, ENTRY_CHECKSUM.dtype)
        first = number * files.shard
        [replacement] = files.write(first, [checksums[first : first + files.shard]])
        return replacement

    def _latest(self, bad: set[int]) -> dict[str, int]:
        """Of several entries the last one counts; those without a certain name are left out."""
        # A later index replaces an earlier one of the same name.
        nameless = bad & self._doubtful["video_id"]
        return {self._name(index): index for index in sorted(self._known - nameless)}

    def _name(self, index: int) -> str:
        return video_id_of(self.columns["video_id"][index])


def _read_column(
    arrays: StoreArrays, spec: ArraySpec, damaged: Collection[Path]
) -> tuple[list[Any], set[int]]:
    """The values of a column, zeros where they are lost, and which may not be those written."""
    files, count = arrays.files.opened("videos", spec.name), arrays.files.count("videos")
    assert files is not None
    values: list[Any] = []
    doubtful: set[int] = set()
    for number in files.numbers(0, count):
        first, stop = number * files.shard, min((number + 1) * files.shard, count)
        if files.path(number) in damaged:
            contents = files.salvage(number)
            values += files.decoded(contents)[: stop - first].tolist()
            doubtful |= set(range(first, stop))
        else:
            values += files.read(first, stop).tolist()
    return values, doubtful
