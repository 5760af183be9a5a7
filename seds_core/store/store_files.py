"""The files of a store's arrays: which there are, and which are damaged."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import google_crc32c

from seds_core.store.commit import StoreRoot
from seds_core.store.durable import unfinished_file
from seds_core.store.file_checksums import DamagedStoreError, FileChecksum, Replacement
from seds_core.store.layout import ENTRY_CHECKSUM, VIDEO_ARRAYS, ArraySpec, row_arrays
from seds_core.store.provenance import Provenance
from seds_core.store.shard_files import DamagedShardError, ShardFiles

Part = Literal["rows", "videos"]


class StoreFiles:
    """The arrays of a store as files."""

    def __init__(self, root: StoreRoot) -> None:
        """Looks at no file yet."""
        self._root = root
        self._opened: dict[str, ShardFiles | None] = {}
        self.specs = parts_of(root.known.provenance)
        """The arrays that belong to the store."""
        if "videos/entry_checksum/zarr.json" not in root.known.files:
            self.specs["videos"] = VIDEO_ARRAYS  # in stores of earlier versions

    def opened(self, part: Part, name: str) -> ShardFiles | None:
        """The files of an array; ``None`` when only Zarr can read it.

        Raises :class:`DamagedStoreError` where its metadata are not what was written.
        """
        folder = self._root.path / part / name
        if f"{part}/{name}" not in self._opened:
            self.refuse_damaged(folder / "zarr.json")
            try:
                files = ShardFiles.open(folder)
            except DamagedShardError as error:
                raise DamagedStoreError(self._root.path, str(error)) from error
            self.use(part, name, files)
        return self._opened[f"{part}/{name}"]

    def use(self, part: Part, name: str, files: ShardFiles | None) -> None:
        """Has an array read in this way from now on."""
        if files:
            files.zeros = frozenset(self._zeros(files, part, name))
        self._opened[f"{part}/{name}"] = files

    def _zeros(self, files: ShardFiles, part: Part, name: str) -> Iterator[int]:
        """Shards without a file, where earlier versions may have had nothing but zeros to store."""
        if part == "videos" and (name, self.count(part)) != ("first_row", 1):
            return
        for number in files.numbers(0, self.count(part)):
            if not self._root.expected(files.path(number)) and not files.path(number).exists():
                yield number

    def needed(self) -> list[Path]:
        """Files of the committed entries; without those of arrays that somebody stored anew."""
        needed = {self._root.path / name for name in self._root.commit.files}
        for part, specs in self.specs.items():
            for spec in specs:
                needed.add(self._root.path / part / spec.name / "zarr.json")
                try:
                    files = self.opened(part, spec.name)
                except DamagedStoreError:  # then its zarr.json is found to be damaged
                    continue
                if files:
                    numbers = set(files.numbers(0, self.count(part))) - files.zeros
                    needed |= {files.path(number) for number in numbers}
        return sorted(needed)

    def count(self, part: Part) -> int:
        """Committed entries of the arrays of a part."""
        known = self._root.known
        return known.num_rows if part == "rows" else known.num_videos

    def shards_of_zeros(self) -> Iterator[range]:
        """Rows in shards that have no file, as earlier versions left them."""
        for spec in self.specs["rows"]:
            if files := self.opened("rows", spec.name):
                for number in files.zeros:
                    yield range(number * files.shard, (number + 1) * files.shard)

    def damage(self, path: Path, *, thorough: bool) -> str | None:
        """What is wrong with a file; ``None`` when nothing is.

        Only a ``thorough`` look reads it; another one finds what is missing or cut off.
        """
        if self._root.expected(path):
            return self._root.damage(path, thorough=thorough)
        name = path.relative_to(self._root.path)
        if name.name == "zarr.json":
            specs = {f"{part}/{s.name}": (part, s) for part in self.specs for s in self.specs[part]}
            described = specs.get(name.parent.as_posix())
            return self.metadata_problem(*described) if described else None
        files = self.opened(*name.parts[:2])  # type: ignore[arg-type]
        try:  # nothing but its index has a checksum
            if files:
                files.check_index(int(name.parts[3]))
        except DamagedShardError as error:
            return str(error)
        return None

    def metadata_problem(self, part: Part, spec: ArraySpec) -> str | None:
        """Whether an array is described otherwise than the layout says, and how."""
        name = f"{part}/{spec.name}"
        folder = self._root.path / name
        if not (folder / "zarr.json").is_file():
            return f"{name}/zarr.json is missing"
        try:
            ShardFiles.open(folder)
            metadata = json.loads((folder / "zarr.json").read_bytes())
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

    def refuse_damaged(self, path: Path) -> None:
        """Raises :class:`DamagedStoreError` for a file that does not have its checksum."""
        if damage := self._root.damage(path, thorough=True):
            raise DamagedStoreError(self._root.path, damage)


def described(metadata: Path, length: int | None, path: Path) -> Replacement:
    """The metadata of an array, which has ``length`` entries now, written beside ``path``."""
    document = json.loads(metadata.read_bytes())
    if length is not None:
        document["shape"][0] = length
    content = json.dumps(document, indent=2).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished_file(path) as file:
        file.write(content)
    return Replacement(path, FileChecksum(len(content), google_crc32c.value(content)))


def parts_of(provenance: Provenance) -> dict[Part, tuple[ArraySpec, ...]]:
    """The arrays of a store that is made in this way."""
    rows = row_arrays(
        provenance.kind,
        feature_dim=provenance.feature_dim,
        feature_dtype=provenance.feature_dtype,
        clip_frames=provenance.clip_frames,
    )
    return {"rows": rows, "videos": (*VIDEO_ARRAYS, ENTRY_CHECKSUM)}
