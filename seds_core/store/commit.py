"""The root ``zarr.json`` of a store, which says what the store holds: one rename commits it all."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import google_crc32c
from pydantic import BaseModel, Field, ValidationError

from seds_core.files import unfinished_file, write_whole
from seds_core.store.file_checksums import (
    DamagedRootError,
    DamagedStoreError,
    FileChecksum,
    Replacement,
    read_replacing,
)
from seds_core.store.layout import (
    ELEMENT_BYTES,
    ENTRY_CHECKSUM,
    VIDEO_ARRAYS,
    ArraySpec,
    StoreKind,
    row_arrays,
)
from seds_core.store.provenance import (
    ClipRules,
    ImportedFrom,
    Provenance,
    StoreMismatchError,
    TimelineRules,
    WeightsRecord,
    refuse_other_layout,
)
from seds_core.store.shard_files import DamagedShardError, ShardFiles

Failures = dict[str, dict[str, str]]
"""Video -> fields of :class:`~seds_core.store.records.FailedVideo`."""


@dataclass(frozen=True)
class Commit:
    """The contents of a store at one moment."""

    provenance: Provenance
    num_videos: int = 0
    """Entries of the table of videos that count."""
    num_rows: int = 0
    failures: Failures = field(default_factory=dict)
    software: list[dict[str, str]] = field(default_factory=list)
    """Versions that created the store and that extended it."""
    files: dict[str, FileChecksum] = field(default_factory=dict)
    """Name within the store -> what the file must be; files of earlier versions are missing."""
    dropped: tuple[int, ...] = ()
    """Indexes of the table's entries whose videos were damaged: they are no longer in the store."""


_Count = Annotated[int, Field(ge=0)]


# A file that is not as expected is looked at so often: another process may be replacing it.
_LOOKS = 3


class _Committed(BaseModel):
    videos: _Count
    rows: _Count


class _Failure(BaseModel):
    video_id: str
    path: str
    reason: str
    attempt: str = ""


class _Settings(BaseModel):
    frames: TimelineRules
    rgb: ClipRules | None = None
    imported: ImportedFrom | None = None
    pose: dict[str, Any] = {}


class _Attributes(BaseModel):
    """Types of the attributes, of which a damaged store may have others."""

    kind: StoreKind
    settings: _Settings
    weights: WeightsRecord
    feature_dim: _Count
    feature_dtype: str
    clip_frames: _Count = 0
    committed: _Committed
    failures: dict[str, _Failure]
    software: list[dict[str, str]]
    files: dict[str, str] = {}
    dropped: list[_Count] = []


def read_commit(store_path: Path) -> Commit:
    """What is committed now.

    Raises :class:`StoreMismatchError` for anything that is not a store, and
    :class:`DamagedRootError` for one whose attributes are not those that were written.
    """
    attributes = _read_document(store_path)["attributes"]
    # Another version comes first: its attributes need not have anything of this one's.
    refuse_other_layout(attributes)
    if not _is_as_written(attributes):
        raise DamagedRootError(store_path, "its zarr.json is not what was written")
    try:
        found = _Attributes.model_validate(attributes)
        provenance = Provenance.from_attributes(attributes)
        files = {name: FileChecksum.parse(text) for name, text in found.files.items()}
        if found.feature_dtype not in ELEMENT_BYTES:
            raise ValueError(f"feature_dtype is {found.feature_dtype!r}")
    except ValidationError as error:
        names = {".".join(map(str, problem["loc"])) for problem in error.errors()}
        what = f"its zarr.json lacks or garbles {', '.join(sorted(names))}"
        raise DamagedRootError(store_path, what) from None
    except KeyError as missing:
        raise DamagedRootError(store_path, f"its zarr.json lacks {missing.args[0]}") from None
    except ValueError as error:
        raise DamagedRootError(store_path, f"its zarr.json is damaged ({error})") from None
    return Commit(
        provenance,
        found.committed.videos,
        found.committed.rows,
        {name: dict(failure) for name, failure in found.failures.items()},
        found.software,
        files,
        tuple(found.dropped),
    )


def write_commit(store_path: Path, commit: Commit) -> None:
    """Makes it the contents of the store; attributes that others have added stay."""
    # A new store has a root already, which Zarr has written, but none of these attributes.
    document = _read_document(store_path, complete=False)
    attributes = commit.provenance.to_attributes() | {
        "committed": {"videos": commit.num_videos, "rows": commit.num_rows},
        "software": commit.software,
        "failures": commit.failures,
        "files": {name: str(checksum) for name, checksum in sorted(commit.files.items())},
        "dropped": list(commit.dropped),
    }
    document["attributes"] |= attributes
    document["attributes"]["checksum"] = _checksum(attributes, sorted(attributes))
    write_whole(store_path / "zarr.json", json.dumps(document, indent=2).encode())


class StoreRoot:
    """What a store holds as of now, and whether its files are those that were committed."""

    def __init__(self, path: Path) -> None:
        """Raises like :func:`read_commit`."""
        self.path = path
        # What was read last, and what tells that file from a later one of the same name.
        self._read: tuple[object, Commit] = (None, read_commit(path))

    @property
    def commit(self) -> Commit:
        """What is committed now: another process may have extended the store since."""
        found = os.stat(self.path / "zarr.json")
        identity = (found.st_ino, found.st_size, found.st_mtime_ns)
        if self._read[0] != identity:
            self._read = identity, read_commit(self.path)
        return self._read[1]

    @property
    def known(self) -> Commit:
        """The commit that was looked at last, without looking again."""
        return self._read[1]

    def expected(self, path: Path) -> tuple[FileChecksum, ...]:
        """What a file may be; empty for one that an earlier version has written."""
        name = self.name(path)
        committed = self.commit.files.get(name)
        return (committed, *read_replacing(self.path).get(name, ())) if committed else ()

    def damage(self, path: Path, *, thorough: bool) -> str | None:
        """What is wrong with a file; ``None`` when nothing is, or nothing is known of it.

        Only a ``thorough`` look reads it; another one finds what is missing or cut off.
        """
        for _ in range(_LOOKS):
            # What is expected is read again with every look, as it changes with the file.
            if not (expected := self.expected(path)):
                return None
            try:
                if not thorough and path.stat().st_size in {e.num_bytes for e in expected}:
                    return None
                if FileChecksum.of(path) in expected:
                    return None
            except FileNotFoundError:
                return f"{self.name(path)} is missing"
            except OSError as error:
                return f"{self.name(path)} cannot be read: {error.strerror}"
        return f"{self.name(path)} is not what was written"

    def name(self, path: Path) -> str:
        """A file's name within the store."""
        return path.relative_to(self.path).as_posix()


def _read_document(store_path: Path, *, complete: bool = True) -> dict[str, Any]:
    if not store_path.exists():
        raise StoreMismatchError(f"there is no store {store_path}")
    try:
        document = json.loads((store_path / "zarr.json").read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise StoreMismatchError(
            f"{store_path} is not a store, or its zarr.json is damaged: {error}"
        ) from None
    kind = ("zarr_format", "node_type")
    if (
        not isinstance(document, dict)
        or [document.get(name) for name in kind] != [3, "group"]
        or not isinstance(document.get("attributes"), dict)
        or (complete and "layout_version" not in document["attributes"])
    ):
        raise StoreMismatchError(
            f"{store_path} is not a store of seds-extract, or its zarr.json is damaged"
        )
    return document


def _is_as_written(attributes: dict[str, Any]) -> bool:
    # Earlier versions wrote neither a checksum nor a list of files; later ones write both, so that
    # a lost checksum is noticed.
    if "checksum" not in attributes:
        return "files" not in attributes
    try:
        return bool(attributes["checksum"] == _checksum(attributes, attributes["checksum"]["of"]))
    except (KeyError, TypeError):
        return False


def _checksum(attributes: dict[str, Any], names: list[str]) -> dict[str, Any]:
    # Only over the attributes named, so that users and other programs may add their own.
    covered = json.dumps({name: attributes[name] for name in names}, sort_keys=True)
    return {"of": names, "crc32c": google_crc32c.value(covered.encode())}


Part = Literal["rows", "videos"]


class StoreFiles:
    """The arrays of a store as files."""

    def __init__(self, root: StoreRoot) -> None:
        self._root = root
        # "part/name" -> the files of an array, or None for one that only Zarr can read.
        self._opened: dict[str, ShardFiles | None] = {}
        self.specs = parts_of(root.known.provenance)
        """The arrays that belong to the store."""
        if "videos/entry_checksum/zarr.json" not in root.known.files:
            self.specs["videos"] = VIDEO_ARRAYS  # in stores of earlier versions

    def each_spec(self) -> Iterator[tuple[Part, ArraySpec]]:
        """The arrays one by one, with the part that each belongs to."""
        for part, specs in self.specs.items():
            for spec in specs:
                yield part, spec

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
        # Zarr, with which earlier versions wrote, makes no file for a shard of zeros. In the table
        # only one column can be all zeros: the first row of a single video.
        if part == "videos" and (name, self.count(part)) != ("first_row", 1):
            return
        for number in files.numbers(0, self.count(part)):
            if not self._root.expected(files.path(number)) and not files.path(number).exists():
                yield number

    def needed(self) -> list[Path]:
        """Files of the committed entries, but not those of arrays that only Zarr can read."""
        needed = {self._root.path / name for name in self._root.commit.files}
        for part, spec in self.each_spec():
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
            specs = {f"{part}/{spec.name}": (part, spec) for part, spec in self.each_spec()}
            described = specs.get(name.parent.as_posix())
            return self.metadata_problem(*described) if described else None
        # An earlier version's shard, in which nothing but the index has a checksum.
        files = self.opened(*name.parts[:2])  # type: ignore[arg-type]
        try:
            if files:
                files.check_index(int(name.parts[3]))
        except DamagedShardError as error:
            return str(error)
        return None

    def metadata_problem(self, part: Part, spec: ArraySpec) -> str | None:
        """How the description of an array differs from the layout; ``None`` when it does not."""
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
