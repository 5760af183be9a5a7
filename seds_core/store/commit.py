"""The root ``zarr.json`` of a store, which says what the store holds: one write commits it all."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import google_crc32c
from pydantic import BaseModel, Field, ValidationError

from seds_core.store.file_checksums import (
    DamagedRootError,
    DamagedStoreError,
    FileChecksum,
    read_replacing,
)
from seds_core.store.layout import ELEMENT_BYTES, StoreKind
from seds_core.store.place import ChangedError, Place, Seen, refuse_outside
from seds_core.store.provenance import (
    ClipRules,
    ImportedFrom,
    Provenance,
    StoreMismatchError,
    TimelineRules,
    WeightsRecord,
    refuse_other_layout,
)

Failures = dict[str, dict[str, str]]
"""Video -> fields of :class:`~seds_core.store.records.FailedVideo`."""


@dataclass(frozen=True)
class Compacted:
    """When rows of videos were emptied last that the store no longer had then."""

    num_videos: int = 0
    """Entries of the table of videos then."""
    dropped: tuple[int, ...] = ()
    """Indexes of those that had been dropped."""
    is_complete: bool = True


@dataclass(frozen=True)
class Commit:
    """The contents of a store at one moment."""

    provenance: Provenance
    num_videos: int = 0
    """Entries of the table of videos that count."""
    num_rows: int = 0
    num_failures: int = 0
    """Entries of the table of failures."""
    first_failure: int = 0
    """Those before count no longer."""
    failures: Failures = field(default_factory=dict)
    """Those of a store of an earlier version, which had no table of them."""
    software: list[dict[str, str]] = field(default_factory=list)
    """Versions that created the store and that extended it."""
    files: dict[str, FileChecksum] = field(default_factory=dict)
    """Name within the store -> what the file must be; files of earlier versions are missing."""
    dropped: tuple[int, ...] = ()
    """Indexes of the table's entries whose videos were damaged: they are no longer in the store."""
    compacted: Compacted = Compacted()


_Count = Annotated[int, Field(ge=0)]

_MOST = 2**16
# Of what decides how much memory a model or a batch takes before any row is read.
_Size = Annotated[int, Field(ge=0, le=_MOST)]


# A file that is not as expected is looked at so often: another process may be replacing it.
_LOOKS = 3

_ROOT = "zarr.json"

_WRITER = "writer"
"""Attribute that names who replaces files, so that no other who began earlier can commit."""

_Found = TypeVar("_Found")


class _Committed(BaseModel):
    # More than anybody has, and few enough that the names of all files fit into memory.
    videos: Annotated[int, Field(ge=0, le=2**31)]
    rows: Annotated[int, Field(ge=0, le=2**34)]
    failures: Annotated[int, Field(ge=0, le=2**31)] = 0
    first_failure: Annotated[int, Field(ge=0, le=2**31)] = 0


class _Compacted(BaseModel):
    videos: _Count = 0
    dropped: list[_Count] = []
    is_complete: bool = True


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
    feature_dim: _Size
    feature_dtype: str
    clip_frames: _Size = 0
    committed: _Committed
    failures: dict[str, _Failure]
    software: list[dict[str, str]]
    files: dict[str, str] = {}
    dropped: list[_Count] = []
    compacted: _Compacted = _Compacted()


def read_commit(place: Place) -> Commit:
    """What is committed now.

    Raises :class:`StoreMismatchError` for anything that is not a store, and
    :class:`DamagedRootError` for one whose attributes are not those that were written.
    """
    return _commit_of(place, _read_document(place)[0]["attributes"])


def new_root(document: bytes, commit: Commit) -> bytes:
    """The root that Zarr has made for a group, as that of a store which holds this."""
    return _with_commit(json.loads(document), commit)


class StoreRoot:
    """What a store holds as of now, and whether its files are those that were committed."""

    def __init__(self, place: Place) -> None:
        """Raises like :func:`read_commit`."""
        self.place = place
        self._read()

    @property
    def commit(self) -> Commit:
        """What is committed now: another process may have extended the store since."""
        if self.place.look(_ROOT) != self._seen:
            self._read()
        return self.known

    @property
    def changed(self) -> float:
        """When what is known was written, in seconds since 1970."""
        return self._seen.modified

    def begin(self) -> Commit:
        """What is committed now; called under a lock, before files are replaced.

        Where locks can be lost, whoever began earlier cannot commit after this.
        """
        commit = self.commit
        if self.place.has_only_versions:
            self._write(commit, {_WRITER: uuid4().hex})
        return commit

    def write(self, commit: Commit) -> None:
        """Makes it the contents of the store; attributes that others have added stay.

        Raises :class:`~seds_core.store.place.ChangedError` where another process has begun to write
        since this one did.
        """
        self._write(commit, {})

    def damage(self, name: str, *, thorough: bool) -> str | None:
        """What is wrong with a file; ``None`` when nothing is, or nothing is known of it.

        Only a ``thorough`` look reads it; another one finds what is missing or cut off.
        """
        if name not in self.known.files:
            return None
        try:
            if thorough:
                read = partial(FileChecksum.read, self.place, name)
                self._as_expected(name, read, lambda found, expected: found in expected)
            else:
                self._as_expected(
                    name,
                    lambda: self.place.look(name),
                    lambda found, expected: found.num_bytes in {e.num_bytes for e in expected},
                )
        except DamagedStoreError as error:
            return error.what
        return None

    def content(self, name: str) -> bytes:
        """Reads a file; raises :class:`DamagedStoreError` for one that is not what was written."""
        return self._as_expected(
            name,
            lambda: self.place.read(name),
            lambda found, expected: FileChecksum.of(found) in expected,
        )

    def _as_expected(
        self,
        name: str,
        look: Callable[[], _Found | None],
        fits: Callable[[_Found, set[FileChecksum]], bool],
    ) -> _Found:
        """What a look at a file gives; raises :class:`DamagedStoreError` unless it fits."""
        for number in range(1 + _LOOKS):
            # At first what is known. Another process may be replacing the file: then what is
            # expected is read again with every look, as it changes with the file.
            commit = self.commit if number else self.known
            expected = {commit.files[name]} if name in commit.files else set()
            if number and expected:
                expected |= {*read_replacing(self.place).get(name, ())}
            try:
                found = look()
            except ChangedError:  # while it was read
                continue
            except FileNotFoundError:
                found = None
            except OSError as error:
                what = f"{name} cannot be read: {error.strerror}"
                raise DamagedStoreError(self.place.url, what) from error
            if found is None:
                raise DamagedStoreError(self.place.url, f"{name} is missing")
            if not expected or fits(found, expected):
                return found
        raise DamagedStoreError(self.place.url, f"{name} is not what was written")

    def _read(self) -> None:
        document, self._seen = _read_document(self.place)
        self._state = _state_of(document)
        self.known = _commit_of(self.place, document["attributes"])
        """The commit that was looked at last, without looking again."""

    def _write(self, commit: Commit, others: dict[str, str]) -> None:
        for _ in range(_LOOKS):
            document, seen = _read_document(self.place)
            if _state_of(document) != self._state:
                break
            content = _with_commit(document, commit, others)
            only_if = seen if self.place.has_only_versions else None
            # A change that leaves the state as it is only adds attributes that are not ours.
            with suppress(ChangedError):
                self._seen = self.place.write(_ROOT, content, only_if=only_if)
                self._state, self.known = _state_of(json.loads(content)), commit
                return
        raise ChangedError(f"{self.place.url}/{_ROOT}")


def _refuse_impossible(found: _Attributes) -> None:
    """Raises ``ValueError`` for values that no store can have, whoever has written them."""
    if found.feature_dtype not in ELEMENT_BYTES:
        raise ValueError(f"feature_dtype is {found.feature_dtype!r}")
    sizes: dict[str, int | None] = {"frames.max_frames": found.settings.frames.max_frames}
    if found.kind == "rgb":
        sizes["feature_dim"] = found.feature_dim
    if rgb := found.settings.rgb:
        sizes |= {"rgb.clip_length": rgb.clip_length, "rgb.max_clips": rgb.max_clips}
    for name, size in sizes.items():
        # A timeline costs nothing until there are frames, and may be as long as anybody likes.
        most = 2**31 if name == "frames.max_frames" else _MOST
        if size is not None and not 1 <= size <= most:
            raise ValueError(f"{name} is {size}")


def _commit_of(place: Place, attributes: dict[str, Any]) -> Commit:
    # Another version comes first: its attributes need not have anything of this one's.
    refuse_other_layout(attributes)
    if not _is_as_written(attributes):
        raise DamagedRootError(place.url, "its zarr.json is not what was written")
    try:
        found = _Attributes.model_validate(attributes)
        provenance = Provenance.from_attributes(attributes)
        for name in found.files:
            refuse_outside(name)
        files = {name: FileChecksum.parse(text) for name, text in found.files.items()}
        _refuse_impossible(found)
    except ValidationError as error:
        names = {".".join(map(str, problem["loc"])) for problem in error.errors()}
        what = f"its zarr.json lacks or garbles {', '.join(sorted(names))}"
        raise DamagedRootError(place.url, what) from None
    except KeyError as missing:
        raise DamagedRootError(place.url, f"its zarr.json lacks {missing.args[0]}") from None
    except ValueError as error:
        raise DamagedRootError(place.url, f"its zarr.json is damaged ({error})") from None
    return Commit(
        provenance,
        found.committed.videos,
        found.committed.rows,
        found.committed.failures,
        found.committed.first_failure,
        {name: dict(failure) for name, failure in found.failures.items()},
        found.software,
        files,
        tuple(found.dropped),
        Compacted(
            found.compacted.videos, tuple(found.compacted.dropped), found.compacted.is_complete
        ),
    )


def _read_document(place: Place) -> tuple[dict[str, Any], Seen]:
    try:
        content, seen = place.read_seen(_ROOT)
        document = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, FileNotFoundError) and not place.exists():
            raise StoreMismatchError(f"there is no store {place.url}") from None
        raise StoreMismatchError(
            f"{place.url} is not a store, or its zarr.json is damaged: {error}"
        ) from None
    kind = ("zarr_format", "node_type")
    if (
        not isinstance(document, dict)
        or [document.get(name) for name in kind] != [3, "group"]
        or not isinstance(document.get("attributes"), dict)
        or "layout_version" not in document["attributes"]
    ):
        raise StoreMismatchError(
            f"{place.url} is not a store of seds-extract, or its zarr.json is damaged"
        )
    return document, seen


def _state_of(document: dict[str, Any]) -> tuple[object, ...]:
    """What every commit, and every writer that begins, changes in the root."""
    return tuple(document["attributes"].get(name) for name in ("checksum", "committed", _WRITER))


def _with_commit(
    document: dict[str, Any], commit: Commit, others: dict[str, str] | None = None
) -> bytes:
    attributes = commit.provenance.to_attributes() | {
        "committed": {
            "videos": commit.num_videos,
            "rows": commit.num_rows,
            "failures": commit.num_failures,
            "first_failure": commit.first_failure,
        },
        "software": commit.software,
        "failures": commit.failures,
        "files": {name: str(checksum) for name, checksum in sorted(commit.files.items())},
        "dropped": list(commit.dropped),
        "compacted": {
            "videos": commit.compacted.num_videos,
            "dropped": list(commit.compacted.dropped),
            "is_complete": commit.compacted.is_complete,
        },
    }
    document["attributes"].pop(_WRITER, None)
    document["attributes"] |= attributes | (others or {})
    document["attributes"]["checksum"] = _checksum(attributes, sorted(attributes))
    return json.dumps(document, indent=2).encode()


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
