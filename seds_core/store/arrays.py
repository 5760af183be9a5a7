"""The arrays of a store: create, append, commit, read. The only file that imports zarr.

Files are replaced whole (written beside and renamed), so a reader sees an old
or a new file and never half of one. :meth:`StoreArrays.append` writes rows, then the video table,
then ``committed``: only that last, single rename makes them part of the store.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from seds_core.store.layout import VIDEO_ARRAYS, ArraySpec, row_arrays
from seds_core.store.provenance import Provenance, StoreMismatchError, software_versions
from seds_core.store.shard_files import ShardFiles

OF_FEATURES = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")
"""Measured on Kinetics features: 0.82 of their size, as zstd, but written five times as fast."""

OF_OTHERS = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")
"""Measured on RTMPose keypoints: 0.48 of their size, where lz4 leaves 0.59."""

Columns = Mapping[str, Sequence[np.ndarray]]
"""Array name -> arrays of consecutive entries, together as many in every array."""


class StoreArrays:
    """An opened store: its provenance and its committed entries."""

    def __init__(self, path: Path, group: zarr.Group) -> None:
        """Wraps an existing group; use :meth:`create` or :meth:`open`."""
        self._path = path
        self._group = group
        self._files: dict[str, ShardFiles | None] = {}
        self.provenance = Provenance.from_attributes(dict(group.attrs))
        self.row_specs = row_arrays(
            self.provenance.kind,
            feature_dim=self.provenance.feature_dim,
            feature_dtype=self.provenance.feature_dtype,
            clip_frames=self.provenance.clip_frames,
        )

    @classmethod
    def create(cls, path: Path, provenance: Provenance) -> "StoreArrays":
        """Makes an empty store. It appears under its name only when it is complete."""
        unfinished = path.with_name(f"{path.name}.creating")
        shutil.rmtree(unfinished, ignore_errors=True)
        group = zarr.create_group(unfinished, zarr_format=3)
        group.attrs.update(
            provenance.to_attributes()
            | {
                "committed": {"videos": 0, "rows": 0},
                "software": [software_versions()],
                "failures": {},
            }
        )
        specs = row_arrays(
            provenance.kind,
            feature_dim=provenance.feature_dim,
            feature_dtype=provenance.feature_dtype,
            clip_frames=provenance.clip_frames,
        )
        for name, arrays in (("rows", specs), ("videos", VIDEO_ARRAYS)):
            part = group.create_group(name)
            for spec in arrays:
                _create_array(part, spec)
        unfinished.rename(path)
        return cls.open(path, writable=True)

    @classmethod
    def open(cls, path: Path, *, writable: bool = False) -> "StoreArrays":
        """Opens a store; raises :class:`StoreMismatchError` for anything that is not one."""
        try:
            group = zarr.open_group(path, mode="r+" if writable else "r")
        except (FileNotFoundError, ValueError, OSError) as error:
            raise StoreMismatchError(f"{path} is not a store: {error}") from None
        if "layout_version" not in group.attrs:
            raise StoreMismatchError(f"{path} is a Zarr group but not a store of seds-extract")
        return cls(path, group)

    @property
    def committed(self) -> tuple[int, int]:
        """Numbers of table entries and of rows that count, as of now."""
        committed: Any = self._fresh_attributes()["committed"]
        return int(committed["videos"]), int(committed["rows"])

    @property
    def failures(self) -> dict[str, dict[str, str]]:
        """Video -> why it is not in the store."""
        failures: Any = self._fresh_attributes()["failures"]
        return dict(failures)

    @property
    def software(self) -> list[dict[str, str]]:
        """Versions of the software that created the store and of everything that extended it."""
        software: Any = self._fresh_attributes()["software"]
        return list(software)

    def read_rows(self, name: str, start: int, stop: int) -> np.ndarray:
        """Rows ``start`` to ``stop`` of one row array."""
        return self._read("rows", name, start, stop)

    def read_video_column(self, name: str, stop: int) -> np.ndarray:
        """The first ``stop`` entries of one column of the table of videos."""
        return self._read("videos", name, 0, stop)

    def description(self, part: str, name: str) -> dict[str, Any]:
        """Shape, type and axis names of an array; raises ``KeyError`` when it is missing."""
        array = self._array(part, name)
        return {
            "shape": array.shape,
            "dtype": array.dtype,
            "dimension_names": array.metadata.dimension_names,  # type: ignore[union-attr]
        }

    def append(self, rows: Columns, videos: Columns, failures: dict[str, dict[str, str]]) -> None:
        """Adds rows and table entries and replaces the failures, all at once or not at all."""
        num_videos, num_rows = self.committed
        rows_after = self._extend("rows", self.row_specs, rows, num_rows)
        videos_after = self._extend("videos", VIDEO_ARRAYS, videos, num_videos)
        software = self.software
        if (now := software_versions()) not in software:
            software.append(now)
        self._group.attrs.update(
            {
                "committed": {"videos": videos_after, "rows": rows_after},
                "failures": failures,
                "software": software,
            }
        )

    def _extend(self, part: str, specs: tuple[ArraySpec, ...], columns: Columns, start: int) -> int:
        stop = start + sum(map(len, columns[specs[0].name]))
        for spec in specs:
            array = self._array(part, spec.name)
            array.resize((stop, *spec.sizes))  # also cuts off what a dead process left behind
            if stop == start:
                continue
            if files := self._shard_files(part, spec.name):
                files.append(start, columns[spec.name])
            else:
                array[start:stop] = np.concatenate(columns[spec.name])
        return stop

    def _read(self, part: str, name: str, start: int, stop: int) -> np.ndarray:
        if files := self._shard_files(part, name):
            return files.read(start, stop)
        return np.asarray(self._array(part, name)[start:stop])

    def _shard_files(self, part: str, name: str) -> ShardFiles | None:
        array = f"{part}/{name}"
        if array not in self._files:
            self._files[array] = ShardFiles.open(self._path / array)
        return self._files[array]

    def _array(self, part: str, name: str) -> zarr.Array[Any]:
        array = self._group[f"{part}/{name}"]
        assert isinstance(array, zarr.Array)
        return array

    def _fresh_attributes(self) -> dict[str, Any]:
        """Read from the disk: another process may have committed since."""
        return dict(zarr.open_group(self._group.store, mode="r").attrs)


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
