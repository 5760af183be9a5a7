"""The arrays of a store: create, append, commit, read. The only file that imports zarr.

Files are replaced whole, so a reader sees an old or a new file and never half of one.
:meth:`StoreArrays.append` writes rows, then the video table, then the root: only that last, single
write makes them part of the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

from seds_core.store.commit import Commit, StoreRoot, new_root
from seds_core.store.file_checksums import DamagedStoreError, FileChecksum, Replacements
from seds_core.store.free_rows import RowsInUse
from seds_core.store.layout import ArraySpec
from seds_core.store.place import Place
from seds_core.store.provenance import Provenance, StoreMismatchError, software_versions
from seds_core.store.shard_files import DamagedShardError
from seds_core.store.store_files import Part, StoreFiles, parts_of, resized

OF_FEATURES = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")
"""Measured on Kinetics features: 0.82 of their size, as zstd, but written five times as fast."""

OF_OTHERS = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")
"""Measured on RTMPose keypoints: 0.48 of their size, where lz4 leaves 0.59."""

Columns = Mapping[str, Sequence[np.ndarray]]
"""Array name -> arrays of consecutive entries, together as many in every array; or nothing."""


class StoreArrays:
    """An opened store: its provenance and its committed entries."""

    def __init__(self, place: Place) -> None:
        """Opens a store; its files are looked at when they are read.

        Raises :class:`StoreMismatchError` for anything that is not a store, and
        :class:`DamagedStoreError` where its attributes are not those that were written.
        """
        self.place = place
        self.root = StoreRoot(place)
        self.files = StoreFiles(self.root)
        self.provenance = self.root.known.provenance

    @classmethod
    def create(cls, place: Place, provenance: Provenance) -> "StoreArrays":
        """Makes an empty store, which is there only when it is complete."""
        metadata = _metadata(provenance)
        root = metadata.pop("zarr.json")
        # All but the root itself, which is where these checksums are written.
        files = {name: FileChecksum.of(content) for name, content in metadata.items()}
        commit = Commit(provenance, software=[software_versions()], files=files)
        place.create(metadata | {"zarr.json": new_root(root, commit)})
        return cls(place)

    @property
    def commit(self) -> Commit:
        """What the store holds as of now: another process may have committed since."""
        return self.root.commit

    def allow_any_device(self) -> None:
        """Records that the rows may be of several kinds of devices from now on."""
        self.provenance = replace(self.provenance, device="any")
        self.root.write(replace(self.root.begin(), provenance=self.provenance))

    @property
    def row_specs(self) -> tuple[ArraySpec, ...]:
        """The arrays of rows."""
        return self.files.specs["rows"]

    def read_rows(self, name: str, start: int, stop: int) -> np.ndarray:
        """Rows ``start`` to ``stop`` of one row array.

        Raises :class:`DamagedStoreError` where they are not there.
        """
        if not 0 <= start <= stop <= self.root.known.num_rows:
            what = f"rows {start} to {stop} are asked for, of {self.root.known.num_rows}"
            raise DamagedStoreError(self.place.url, what)
        rows = self._entries("rows", name, start, stop)
        if self.files.is_compacted:  # seen when a file is met that is new
            self._refuse_emptied(start, stop)
        return rows

    def _refuse_emptied(self, start: int, stop: int) -> None:
        """Raises :class:`StoreMismatchError` for rows that ``compact`` may have emptied since."""
        in_use = RowsInUse.when(self, self.commit.compacted)
        if in_use.is_free(start, min(stop, in_use.stop)).any():
            raise StoreMismatchError(
                f"{self.place.url}: rows {start} to {stop} are of a video that has changed, and "
                "'seds-extract compact' has given back their room since the store was opened: open "
                "it again"
            )

    def read_all_rows(self, rows: slice) -> dict[str, np.ndarray]:
        """Some rows of all row arrays: name -> values."""
        return {
            spec.name: self.read_rows(spec.name, rows.start, rows.stop) for spec in self.row_specs
        }

    def read_column(self, part: Part, name: str, start: int, stop: int) -> np.ndarray:
        """Entries ``start`` to ``stop`` of one column of the table of videos, or of failures.

        Raises :class:`DamagedStoreError` where the column is not what was written.
        """
        try:
            values = self.files.column(part, name, start, stop)
        except DamagedShardError as error:
            raise DamagedStoreError(self.place.url, str(error)) from error
        return self._entries(part, name, start, stop) if values is None else values

    def append(self, rows: Columns, videos: Columns, failures: Columns) -> None:
        """Adds rows and entries of the tables, all at once or not at all.

        In a store of an earlier version, ``failures`` are to be all that it has.
        """
        # Rows and table entries beyond the committed ones count for nothing, so the order of files
        # does not matter until the root names their checksums.
        if any(map(len, failures.get("video_id", ()))) and not self.files.has_failures:
            self._add_failure_table()
        before = self.root.begin()
        software = before.software
        if (now := software_versions()) not in software:
            software = [*software, now]
        with Replacements.of(self.place) as replacements:
            after = replace(
                before,
                num_rows=self.extend(replacements, "rows", rows, before.num_rows),
                num_videos=self.extend(replacements, "videos", videos, before.num_videos),
                num_failures=self.extend(replacements, "failures", failures, before.num_failures),
                failures={} if self.files.has_failures else before.failures,
                software=software,
            )
            self.put(replacements, after)

    def _add_failure_table(self) -> None:
        before = self.root.begin()
        with Replacements.of(self.place) as replacements:
            for name, content in _metadata(self.provenance).items():
                if name.startswith("failures/"):
                    replacements.write(name, [content])
            self.put(replacements, before)

    def put(self, replacements: Replacements, commit: Commit) -> None:
        """Puts files in place and commits; ``commit`` need not know their checksums."""
        files = commit.files | replacements.put_in_place()
        self.root.write(replace(commit, files=files))
        replacements.committed()

    def extend(self, replacements: Replacements, part: Part, columns: Columns, start: int) -> int:
        """Writes entries from ``start`` on to new files; gives the place behind the last one."""
        specs = self.files.specs[part]
        stop = start + sum(map(len, columns.get(specs[0].name, ())))
        for spec in specs if stop > start else ():
            files = self.files.extensible(part, spec.name)
            # The last shard is not full: what stays in it must not get a new checksum unseen.
            if start % files.shard:
                self.files.refuse_damaged(files.name(start // files.shard))
            for name, content in files.extended(start, columns[spec.name]):
                replacements.write(name, content)
            metadata = f"{files.folder}/zarr.json"
            replacements.write(metadata, [resized(self.place.read(metadata), stop)])
        replacements.sync()
        return stop

    def _entries(self, part: Part, name: str, start: int, stop: int) -> np.ndarray:
        folder = f"{part}/{name}"
        try:
            if files := self.files.opened(part, name):
                return files.read(start, stop)
            try:
                array: Any = zarr.open_array(self.place.zarr_store(folder), mode="r")
                return np.asarray(array[start:stop])
            except Exception as error:  # whatever a codec raises for damaged bytes
                raise DamagedShardError(f"{self.place.url}/{folder} is damaged: {error}") from error
        except DamagedShardError as error:
            raise DamagedStoreError(self.place.url, str(error)) from error


def _metadata(provenance: Provenance) -> dict[str, bytes]:
    """The metadata of an empty store: name -> content."""
    written: dict[str, Any] = {}
    group = zarr.create_group(MemoryStore(written), zarr_format=3)
    for part, specs in parts_of(provenance).items():
        arrays = group.create_group(part)
        for spec in specs:
            _create_array(arrays, spec)
    return {name: content.to_bytes() for name, content in written.items()}


def _create_array(group: zarr.Group, spec: ArraySpec) -> None:
    group.create_array(
        spec.name,
        shape=(0, *spec.sizes),
        dtype=str if spec.dtype == "str" else spec.dtype,
        chunks=(spec.chunk, *spec.sizes),
        shards=(spec.shard, *spec.sizes),
        compressors=[OF_FEATURES if "rgb" in spec.axes else OF_OTHERS],
        dimension_names=spec.axes,
        attributes={"unit": spec.unit, "description": spec.description},
    )
