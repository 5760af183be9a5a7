"""The root ``zarr.json`` of a store, which says what the store holds: one rename commits it all."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import google_crc32c
from pydantic import BaseModel, Field, ValidationError

from seds_core.store.durable import write_whole
from seds_core.store.file_checksums import DamagedRootError, FileChecksum, read_replacing
from seds_core.store.layout import ELEMENT_BYTES, StoreKind
from seds_core.store.provenance import Provenance, StoreMismatchError

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
    """Places of the table whose videos were damaged: they are no longer in the store."""


_Count = Annotated[int, Field(ge=0)]


_LOOKS = 3
"""At a file that is not as expected: another process may be replacing it."""


class _Committed(BaseModel):
    videos: _Count
    rows: _Count


class _Failure(BaseModel):
    video_id: str
    path: str
    reason: str
    attempt: str = ""


class _Attributes(BaseModel):
    """Types of the attributes, of which a damaged store may have others."""

    kind: StoreKind
    settings: dict[str, Any]
    weights: dict[str, Any]
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
    try:
        provenance = Provenance.from_attributes(attributes)
    except KeyError as missing:
        raise DamagedRootError(store_path, f"its zarr.json lacks {missing.args[0]}") from None
    if not _is_as_written(attributes):
        raise DamagedRootError(store_path, "its zarr.json is not what was written")
    try:
        found = _Attributes.model_validate(attributes)
        files = {name: FileChecksum.parse(text) for name, text in found.files.items()}
        if found.feature_dtype not in ELEMENT_BYTES:
            raise ValueError(f"feature_dtype is {found.feature_dtype!r}")
    except ValidationError as error:
        places = {".".join(map(str, problem["loc"])) for problem in error.errors()}
        what = f"its zarr.json lacks or garbles {', '.join(sorted(places))}"
        raise DamagedRootError(store_path, what) from None
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
        """Reads the root; raises like :func:`read_commit`."""
        self.path = path
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
    """Whether attributes have their checksum; those of earlier versions need none."""
    if "checksum" not in attributes:
        return "files" not in attributes
    try:
        return bool(attributes["checksum"] == _checksum(attributes, attributes["checksum"]["of"]))
    except (KeyError, TypeError):
        return False


def _checksum(attributes: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Over the attributes named; others may add theirs."""
    covered = json.dumps({name: attributes[name] for name in names}, sort_keys=True)
    return {"of": names, "crc32c": google_crc32c.value(covered.encode())}
