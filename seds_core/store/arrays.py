"""The arrays of a store: create, append, commit, read. The only file that imports zarr.

Files are replaced whole (written beside and renamed), so a reader sees an old
or a new file and never half of one. :meth:`StoreArrays.append` writes rows, then the video table,
then the root: only that last, single rename makes them part of the store.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from seds_core.files import sync, sync_all
from seds_core.store.commit import (
    Commit,
    Failures,
    Part,
    StoreFiles,
    StoreRoot,
    described,
    parts_of,
    write_commit,
)
from seds_core.store.file_checksums import DamagedStoreError, FileChecksum, Replacements
from seds_core.store.layout import ArraySpec
from seds_core.store.provenance import Provenance, StoreMismatchError, software_versions
from seds_core.store.shard_files import DamagedShardError

OF_FEATURES = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")
"""Measured on Kinetics features: 0.82 of their size, as zstd, but written five times as fast."""

OF_OTHERS = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")
"""Measured on RTMPose keypoints: 0.48 of their size, where lz4 leaves 0.59."""

Columns = Mapping[str, Sequence[np.ndarray]]
"""Array name -> arrays of consecutive entries, together as many in every array."""


class StoreArrays:
    """An opened store: its provenance and its committed entries."""

    def __init__(self, path: Path) -> None:
        """Opens a store; its files are looked at when they are read.

        Raises :class:`StoreMismatchError` for anything that is not a store, and
        :class:`DamagedStoreError` where its attributes are not those that were written.
        """
        self.path = path
        self.root = StoreRoot(path)
        self.files = StoreFiles(self.root)
        self.provenance = self.root.known.provenance

    @classmethod
    def create(cls, path: Path, provenance: Provenance) -> "StoreArrays":
        """Makes an empty store. It appears under its name only when it is complete."""
        # Under the lock of the staging folder, a leftover can only be a dead process's.
        unfinished = path.with_name(f"{path.name}.creating")
        shutil.rmtree(unfinished, ignore_errors=True)
        group = zarr.create_group(unfinished, zarr_format=3)
        for part, specs in parts_of(provenance).items():
            arrays = group.create_group(part)
            for spec in specs:
                _create_array(arrays, spec)
        # All metadata but the root's own, which is where these checksums are written.
        files = {
            file.relative_to(unfinished).as_posix(): FileChecksum.of(file)
            for file in unfinished.glob("*/**/zarr.json")
        }
        write_commit(unfinished, Commit(provenance, software=[software_versions()], files=files))
        # Everything is on the disk before the store gets its name, and the name before it is used.
        sync_all([*unfinished.rglob("*"), unfinished])
        unfinished.rename(path)
        sync(path.parent)
        return cls(path)

    @property
    def commit(self) -> Commit:
        """What the store holds as of now: another process may have committed since."""
        return self.root.commit

    def allow_any_device(self) -> None:
        """Records that the rows may be of several kinds of devices from now on."""
        self.provenance = replace(self.provenance, device="any")
        write_commit(self.path, replace(self.commit, provenance=self.provenance))

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
            raise DamagedStoreError(self.path, what)
        return self._entries("rows", name, start, stop)

    def read_all_rows(self, rows: slice) -> dict[str, np.ndarray]:
        """Some rows of all row arrays: name -> values."""
        return {
            spec.name: self.read_rows(spec.name, rows.start, rows.stop) for spec in self.row_specs
        }

    def read_video_column(self, name: str, stop: int) -> np.ndarray:
        """The first ``stop`` entries of one column of the table of videos.

        Raises :class:`DamagedStoreError` where the column is not what was written.
        """
        if files := self.files.opened("videos", name):
            for number in files.numbers(0, stop):
                self.files.refuse_damaged(files.path(number))
        return self._entries("videos", name, 0, stop)

    def append(self, rows: Columns, videos: Columns, failures: Failures) -> None:
        """Adds rows and table entries and replaces the failures, all at once or not at all."""
        before = self.commit
        software = before.software
        if (now := software_versions()) not in software:
            software = [*software, now]
        # Rows and table entries beyond the committed ones count for nothing, so the order of files
        # does not matter until the root names their checksums.
        with Replacements(self.path) as replacements:
            after = replace(
                before,
                num_rows=self._extend(replacements, "rows", rows, before.num_rows),
                num_videos=self._extend(replacements, "videos", videos, before.num_videos),
                failures=failures,
                software=software,
            )
            self.put(replacements, after)

    def put(self, replacements: Replacements, commit: Commit) -> None:
        """Puts files in place and commits; ``commit`` need not know their checksums."""
        files = commit.files | replacements.put_in_place()
        write_commit(self.path, replace(commit, files=files))
        replacements.committed()

    def _extend(self, replacements: Replacements, part: Part, columns: Columns, start: int) -> int:
        specs = self.files.specs[part]
        stop = start + sum(map(len, columns[specs[0].name]))
        for spec in specs if stop > start else ():
            files = self.files.opened(part, spec.name)
            if files is None:
                raise StoreMismatchError(
                    f"{self.path / part / spec.name} was stored anew in a form that can be read "
                    "but not extended: make a new store"
                )
            # The last shard is not full: what stays in it must not get a new checksum unseen.
            if start % files.shard:
                self.files.refuse_damaged(files.path(start // files.shard))
            metadata = files.folder / "zarr.json"
            replacements.add(files.write(start, columns[spec.name]))
            replacements.add([described(metadata, stop, metadata)])
        replacements.sync()
        return stop

    def _entries(self, part: Part, name: str, start: int, stop: int) -> np.ndarray:
        folder = self.path / part / name
        try:
            if files := self.files.opened(part, name):
                return files.read(start, stop)
            try:
                array: Any = zarr.open_array(folder, mode="r")
                return np.asarray(array[start:stop])
            except Exception as error:  # whatever a codec raises for damaged bytes
                raise DamagedShardError(f"{folder} is damaged: {error}") from error
        except DamagedShardError as error:
            raise DamagedStoreError(self.path, str(error)) from error


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
