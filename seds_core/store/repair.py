"""Checks the bytes of a store, drops exactly the damaged videos and makes its files whole again.

What can be read stays to the bit. A chunk that cannot becomes zeros, and a video with a row in it
is dropped, as is one whose rows or whose entry of the table are not what was written. Everything
changes with one commit: a process may be killed at any moment.
"""

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seds_core.store.arrays import StoreArrays
from seds_core.store.disk import DiskPlace
from seds_core.store.failures import failure_columns
from seds_core.store.file_checksums import DamagedStoreError, FileChecksum, Replacements
from seds_core.store.layout import ENTRY_CHECKSUM, VIDEO_ARRAYS, ArraySpec
from seds_core.store.place import StoreLocation, place_of
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader, VideoEntry, entry_checksums
from seds_core.store.records import FailedVideo, rows_checksum
from seds_core.store.shard_files import ShardFiles
from seds_core.store.staging import Staging
from seds_core.store.store_files import Part, resized
from seds_core.video_id import video_id_of


def damaged_files(arrays: StoreArrays) -> Iterator[tuple[str, str]]:
    """Files that are missing or not what was written, and what is wrong; all are read."""
    for name in arrays.files.needed():
        try:
            problem = arrays.files.damage(name, thorough=True)
        except DamagedStoreError as error:
            problem = error.what
        if problem:
            yield name, problem


def files_without_checksum(arrays: StoreArrays) -> list[str]:
    """Files that an earlier version has written."""
    return [name for name in arrays.files.needed() if name not in arrays.root.known.files]


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
    columns = {name: arrays.read_column("videos", name, 0, count).tolist() for name in names}
    written = zip(columns[ENTRY_CHECKSUM.name], entry_checksums(columns), strict=True)
    changed = {index for index, (before, now) in enumerate(written) if before != now}
    return sorted(changed - set(arrays.commit.dropped))


_REASON = "it was damaged in the store and 'repair' dropped it: the next run does it again"


@dataclass(frozen=True)
class Damage:
    """What is wrong with a store and can be mended."""

    files: dict[str, str]
    """Damaged files, and what is wrong with each."""
    indexes: tuple[int, ...]
    """Of the table's entries to drop."""
    failures: dict[str, FailedVideo]
    """Of the videos to drop, as far as their names are known."""
    num_unlisted: int
    """Sound files that an earlier version has written without a checksum."""


Watch = Callable[[Sequence[int]], Iterable[int]]
"""Passes on the indexes of the table's entries one by one, for a progress bar."""


def find_damage(location: StoreLocation, *, watch: Watch = iter) -> Damage:
    """Reads all of a store and changes nothing; raises like :func:`repair_store`."""
    arrays = StoreArrays(place_of(location))
    with tempfile.TemporaryDirectory() as folder:
        return _Repair(arrays, Path(folder), watch).damage


def repair_store(location: StoreLocation, *, watch: Watch = iter) -> Damage:
    """Mends a store and gives what was wrong; all of its files have checksums afterwards.

    Raises :class:`~seds_core.store.staging.StoreInUseError` while another process writes to the
    store, and like :class:`StoreArrays` where the root cannot be read and nothing can be mended.
    """
    place = place_of(location)
    StoreArrays(place)  # before a folder is made beside what is no store
    with Staging(location, alone=True), tempfile.TemporaryDirectory() as folder:
        arrays = StoreArrays(place)
        repair = _Repair(arrays, Path(folder), watch)
        repair.carry_out()
        return repair.damage


class _Repair:
    def __init__(self, arrays: StoreArrays, folder: Path, watch: Watch) -> None:
        """``folder`` is for an empty store, whose arrays are described alike."""
        self._arrays = arrays
        # Damaged metadata are replaced by those of an empty store that is made in the same way.
        template = DiskPlace(folder / "template.zarr")
        self._template = StoreArrays.create(template, arrays.provenance)
        for part, spec in arrays.files.each_spec():
            self._open_array(part, spec)
        files = dict(damaged_files(arrays))
        self._table = _Table(arrays, files)
        bad = self._table.bad_entries()
        bad |= self._with_bad_rows(bad, watch)
        bad |= self._table.superseded_by(bad)
        # Videos whose names are certain are recorded as failures, so that the next run does them.
        paths = {n: self._table.columns["path"][p] for n, p in self._table.named(bad).items()}
        failures = {name: FailedVideo.now(name, path, _REASON) for name, path in paths.items()}
        self._unlisted = [name for name in files_without_checksum(arrays) if name not in files]
        self.damage = Damage(files, tuple(sorted(bad)), failures, len(self._unlisted))

    def carry_out(self) -> None:
        """Replaces the damaged files by whole ones and drops the videos."""
        place = self._arrays.place
        before = self._arrays.root.begin()
        listed = {name: FileChecksum.read(place, name) for name in self._unlisted}
        after = replace(
            before,
            dropped=tuple(sorted({*before.dropped, *self.damage.indexes})),
            files=before.files | listed,
        )
        with Replacements.of(place) as replacements:
            for name in self.damage.files:
                replacements.write(name, self._whole_file(name))
            if after != before or self.damage.files:
                self._arrays.put(replacements, after)
        if failures := self.damage.failures.values():
            self._arrays.append({}, {}, failure_columns(failures, before.num_videos))

    def _open_array(self, part: Part, spec: ArraySpec) -> None:
        """Makes an array readable as far as it goes, whatever its metadata have become."""
        # Indexes are trusted although their checksums may differ: rows have checksums of their own.
        folder = f"{part}/{spec.name}"
        is_damaged = self._arrays.files.damage(f"{folder}/zarr.json", thorough=True)
        try:
            files = (self._template if is_damaged else self._arrays).files.opened(part, spec.name)
        except DamagedStoreError:  # of an earlier version, whose metadata have no checksum
            files = self._template.files.opened(part, spec.name)
        if files is None:
            raise StoreMismatchError(
                f"{self._arrays.place.url}/{folder} was stored anew by another program, which this "
                "one cannot mend: make a new store"
            )
        files = replace(files, place=self._arrays.place, trusts_indexes=True)
        self._arrays.files.use(part, spec.name, files)

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

    def _whole_file(self, name: str) -> Iterable[bytes]:
        """What replaces a damaged file, piece by piece."""
        part, *names = name.split("/")
        if names[-1] == "zarr.json":
            length = self._arrays.files.count(part) if names[1:] else None  # type: ignore[arg-type]
            return [resized(self._template.place.read(name), length)]
        files = self._arrays.files.opened(part, names[0])  # type: ignore[arg-type]
        assert files is not None
        number = int(names[2])
        if names[0] == ENTRY_CHECKSUM.name:
            return self._table.written_checksums(files, number)
        return files.shard_content([content or b"" for content in files.salvage(number)])


class _Table:
    """The table of videos as far as it can be read; entries go by their index."""

    def __init__(self, arrays: StoreArrays, damaged: Collection[str]) -> None:
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

    def written_checksums(self, files: ShardFiles, number: int) -> Iterator[bytes]:
        """A new file of the entries' checksums, piece by piece."""
        checksums = np.array(self._checksums, ENTRY_CHECKSUM.dtype)
        first = number * files.shard
        for _, content in files.extended(first, [checksums[first : first + files.shard]]):
            yield from content

    def _latest(self, bad: set[int]) -> dict[str, int]:
        """Of several entries the last one counts; those without a certain name are left out."""
        # A later index replaces an earlier one of the same name.
        nameless = bad & self._doubtful["video_id"]
        return {self._name(index): index for index in sorted(self._known - nameless)}

    def _name(self, index: int) -> str:
        return video_id_of(self.columns["video_id"][index])


def _read_column(
    arrays: StoreArrays, spec: ArraySpec, damaged: Collection[str]
) -> tuple[list[Any], set[int]]:
    """The values of a column, zeros where they are lost, and which may not be those written."""
    files, count = arrays.files.opened("videos", spec.name), arrays.files.count("videos")
    assert files is not None
    values: list[Any] = []
    doubtful: set[int] = set()
    for number in files.numbers(0, count):
        first, stop = number * files.shard, min((number + 1) * files.shard, count)
        if files.name(number) in damaged:
            contents = files.salvage(number)
            values += files.decoded(contents)[: stop - first].tolist()
            doubtful |= set(range(first, stop))
        else:
            values += files.read(first, stop).tolist()
    return values, doubtful
