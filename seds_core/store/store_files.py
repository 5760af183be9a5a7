"""The arrays of a store as files: which there are, and what is wrong with them."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Literal

import numpy as np

from seds_core.store.commit import StoreRoot
from seds_core.store.file_checksums import DamagedStoreError
from seds_core.store.layout import (
    ENTRY_CHECKSUM,
    FAILURE_ARRAYS,
    VIDEO_ARRAYS,
    ArraySpec,
    row_arrays,
)
from seds_core.store.provenance import Provenance, StoreMismatchError
from seds_core.store.shard_files import DamagedShardError, ShardFiles

Part = Literal["rows", "videos", "failures"]


class StoreFiles:
    """The arrays of a store as files."""

    def __init__(self, root: StoreRoot) -> None:
        self._root, self._place = root, root.place
        # "part/name" -> the files of an array, or None for one that only Zarr can read.
        self._opened: dict[str, ShardFiles | None] = {}
        self.specs = parts_of(root.known.provenance)
        """The arrays that belong to the store."""
        self._compacted = root.known.compacted
        self.is_compacted = False
        """Whether rows may have been emptied since the store was opened."""
        if "videos/entry_checksum/zarr.json" not in root.known.files:
            self.specs["videos"] = VIDEO_ARRAYS  # in stores of earlier versions

    def extensible(self, part: Part, name: str) -> ShardFiles:
        """The files of an array; raises :class:`StoreMismatchError` if only Zarr can read it."""
        if files := self.opened(part, name):
            return files
        raise StoreMismatchError(
            f"{self._place.url}/{part}/{name} was stored anew in a form that can be read but not "
            "changed: make a new store"
        )

    def each_spec(self) -> Iterator[tuple[Part, ArraySpec]]:
        """The arrays one by one, with the part that each belongs to."""
        for part, specs in self.specs.items():
            # Stores of earlier versions get this part with their next failure.
            if part == "failures" and not self.has_failures:
                continue
            for spec in specs:
                yield part, spec

    @property
    def has_failures(self) -> bool:
        """Whether there is a table of failures."""
        return f"failures/{FAILURE_ARRAYS[0].name}/zarr.json" in self._root.known.files

    def opened(self, part: Part, name: str) -> ShardFiles | None:
        """The files of an array; ``None`` when only Zarr can read it.

        Raises :class:`DamagedStoreError` where its metadata are not what was written.
        """
        folder = f"{part}/{name}"
        if folder not in self._opened:
            metadata = self._root.content(f"{folder}/zarr.json")
            try:
                files = ShardFiles.open(self._place, folder, metadata)
            except DamagedShardError as error:
                raise DamagedStoreError(self._place.url, str(error)) from error
            # Who forges the root's checksum may say anything of the arrays that it describes.
            [spec] = [spec for spec in self.specs[part] if spec.name == name]
            if files and files.sizes != spec.sizes:
                what = f"array {folder} has entries of sizes {files.sizes}, not {spec.sizes}"
                raise DamagedStoreError(self._place.url, what)
            self.use(part, name, files)
        return self._opened[folder]

    def use(self, part: Part, name: str, files: ShardFiles | None) -> None:
        """Has an array read in this way from now on."""
        if files and part == "rows":
            files.on_new_file = self._look_for_compaction
        if files:
            files.zeros = frozenset(self._zeros(files, part, name))
        self._opened[f"{part}/{name}"] = files

    def _look_for_compaction(self) -> None:
        # It says so before it replaces the first file.
        self.is_compacted |= self._root.commit.compacted != self._compacted

    def _zeros(self, files: ShardFiles, part: Part, name: str) -> Iterator[int]:
        # Zarr, with which earlier versions wrote, makes no file for a shard of zeros. In the table
        # only one column can be all zeros: the first row of a single video.
        if part == "failures" or (
            part == "videos" and (name, self.count(part)) != ("first_row", 1)
        ):
            return
        for number in files.numbers(0, self.count(part)):
            if files.name(number) not in self._root.known.files and not files.is_there(number):
                yield number

    def needed(self) -> list[str]:
        """Files of the committed entries, but not those of arrays that only Zarr can read."""
        needed = set(self._root.known.files)
        # A forged number of rows may ask for millions of files: the first that are missing tell.
        most = len(needed) + 1_000
        with ThreadPoolExecutor(self._place.reads_at_once) as pool:
            opened = pool.map(lambda spec: self._opened_or_none(*spec), self.each_spec())
            for (part, spec), files in zip(self.each_spec(), opened, strict=True):
                needed.add(f"{part}/{spec.name}/zarr.json")
                if files:
                    numbers = set(islice(files.numbers(0, self.count(part)), most)) - files.zeros
                    needed |= {files.name(number) for number in numbers}
        return sorted(needed)

    def _opened_or_none(self, part: Part, spec: ArraySpec) -> ShardFiles | None:
        try:
            return self.opened(part, spec.name)
        except DamagedStoreError:  # then its zarr.json is found to be damaged
            return None

    def count(self, part: Part) -> int:
        """Committed entries of the arrays of a part."""
        known = self._root.known
        counts = {"rows": known.num_rows, "videos": known.num_videos}
        return counts.get(part, known.num_failures)

    def shards_of_zeros(self) -> Iterator[range]:
        """Rows in shards that have no file, as earlier versions left them."""
        for spec in self.specs["rows"]:
            if files := self.opened("rows", spec.name):
                for number in files.zeros:
                    yield range(number * files.shard, (number + 1) * files.shard)

    def lost(self) -> list[str]:
        """What is wrong with the files that are missing or cut off; none of them is read."""
        needed, known = self.needed(), self._root.known.files
        seen = self._place.look_at(needed)
        as_known = {n for n, s in seen.items() if n in known and s.num_bytes == known[n].num_bytes}
        # Any other is looked at again: it may have been replaced since.
        doubtful = [name for name in needed if name not in as_known]
        found = (self.damage(name, thorough=False) for name in doubtful)
        return [problem for problem in found if problem]

    def damage(self, name: str, *, thorough: bool) -> str | None:
        """What is wrong with a file; ``None`` when nothing is.

        Only a ``thorough`` look reads it; another one finds what is missing or cut off.
        """
        if name in self._root.known.files:
            return self._root.damage(name, thorough=thorough)
        folder, _, file_name = name.rpartition("/")
        if file_name == "zarr.json":
            specs = {f"{part}/{spec.name}": (part, spec) for part, spec in self.each_spec()}
            return self.metadata_problem(*specs[folder]) if folder in specs else None
        # An earlier version's shard, in which nothing but the index has a checksum.
        part, array, _, number, *_ = name.split("/")
        try:
            if files := self.opened(part, array):  # type: ignore[arg-type]
                files.check_index(int(number))
        except DamagedShardError as error:
            return str(error)
        return None

    def metadata_problem(self, part: Part, spec: ArraySpec) -> str | None:
        """How the description of an array differs from the layout; ``None`` when it does not."""
        name = f"{part}/{spec.name}"
        try:
            content = self._place.read(f"{name}/zarr.json")
        except FileNotFoundError:
            return f"{name}/zarr.json is missing"
        try:
            ShardFiles.open(self._place, name, content)
            metadata = json.loads(content)
            length, *sizes = metadata["shape"]
            found = (metadata["data_type"], metadata["dimension_names"], sizes)
            is_long_enough = length >= self.count(part)
        except Exception as error:  # the document may hold anything
            return f"{name}/zarr.json describes no array ({error})"
        expected = ("string" if spec.dtype == "str" else spec.dtype, [*spec.axes], [*spec.sizes])
        if found != expected:
            return f"array {name} has type, axes and sizes {found}, not {expected}"
        if not is_long_enough:
            return f"array {name} has {length} entries of {self.count(part)}"
        return None

    def refuse_damaged(self, name: str) -> None:
        """Raises :class:`DamagedStoreError` for a file that does not have its checksum."""
        if damage := self._root.damage(name, thorough=True):
            raise DamagedStoreError(self._place.url, damage)

    def column(self, part: Part, name: str, start: int, stop: int) -> np.ndarray | None:
        """Some entries of a column of a table; ``None`` if only Zarr can read it.

        Raises :class:`DamagedStoreError` where it is not what was written.
        """
        files = self.opened(part, name)
        if files is None:
            return None
        # Read once, for the checksum and for the entries.
        numbers = [number for number in files.numbers(start, stop) if number not in files.zeros]
        contents = {number: self._root.content(files.name(number)) for number in numbers}
        return files.held(contents).read(start, stop)


def resized(metadata: bytes, length: int | None) -> bytes:
    """The metadata of an array that has ``length`` entries now."""
    document = json.loads(metadata)
    if length is not None:
        document["shape"][0] = length
    return json.dumps(document, indent=2).encode()


def parts_of(provenance: Provenance) -> dict[Part, tuple[ArraySpec, ...]]:
    """The arrays of a store that is made in this way."""
    rows = row_arrays(
        provenance.kind,
        feature_dim=provenance.feature_dim,
        feature_dtype=provenance.feature_dtype,
        clip_frames=provenance.clip_frames,
    )
    return {
        "rows": rows,
        "videos": (*VIDEO_ARRAYS, ENTRY_CHECKSUM),
        "failures": FAILURE_ARRAYS,
    }
