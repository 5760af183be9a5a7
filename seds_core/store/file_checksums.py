"""Checksums of a store's files, and files that change together."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import google_crc32c

from seds_core.errors import UsageError
from seds_core.store.place import Batch, ChangedError, Place

_BLOCK_BYTES = 2**22

_REPLACING = "replacing.json"
"""While files are replaced: what may be found under their names beside what was committed."""


class DamagedStoreError(UsageError):
    """A store that is not what was written; the message names it and says how to go on.

    ``what`` is wrong, as a clause.
    """

    def __init__(self, url: str, what: str) -> None:
        self.url, self.what = url, what
        super().__init__(f"{url} is damaged: {what}. {self._advice()}")

    def _advice(self) -> str:
        return (
            f"'seds-extract verify {self.url}' tells all that is wrong, and 'seds-extract "
            f"repair {self.url}' drops the damaged videos, so that the command that made "
            "the store does them again."
        )

    def __reduce__(self) -> tuple[type["DamagedStoreError"], tuple[str, str]]:
        # For workers, which send their errors to another process.
        return type(self), (self.url, self.what)


class DamagedRootError(DamagedStoreError):
    """A store whose root is not what was written: nothing tells what the store holds."""

    def _advice(self) -> str:
        return "Take that file from a copy of the store; without one, only a new store helps."


class FileChecksum(NamedTuple):
    """What tells a file from a damaged one."""

    num_bytes: int
    crc32c: int

    @classmethod
    def of(cls, content: bytes) -> "FileChecksum":
        """Of a file in memory."""
        return cls(len(content), google_crc32c.value(content))

    @classmethod
    def read(cls, place: Place, name: str) -> "FileChecksum":
        """Reads a file; raises ``FileNotFoundError`` where there is none."""
        crc32c = num_bytes = 0
        with place.open(name) as file:
            while block := file.read([(num_bytes, num_bytes + _BLOCK_BYTES)])[0]:
                crc32c = google_crc32c.extend(crc32c, block)
                num_bytes += len(block)
        return cls(num_bytes, crc32c)

    @classmethod
    def parse(cls, text: str) -> "FileChecksum":
        """From what ``str`` gives."""
        num_bytes, crc32c = text.split()
        return cls(int(num_bytes), int(crc32c, 16))

    def __str__(self) -> str:
        """One line of the store's attributes."""
        return f"{self.num_bytes} {self.crc32c:08x}"


class Replacements:
    """Files of a store that change together.

    Until all are in place and the store's root names their checksums, ``replacing.json`` says which
    others may be met, so that a process may die in between without anything looking damaged.
    """

    def __init__(self, place: Place, batch: Batch) -> None:
        self._place, self._batch = place, batch
        self._written: dict[str, FileChecksum] = {}
        # What interrupted ones may have left under names that this one does not replace.
        self._left: dict[str, tuple[FileChecksum, ...]] = {}

    @classmethod
    @contextmanager
    def of(cls, place: Place) -> Iterator["Replacements"]:
        """For files of a store; what has not been put in place at the end is dropped."""
        with place.batch() as batch:
            yield cls(place, batch)

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Writes a file that gets its name with the others."""
        # The checksum of the file is made while it is written, without reading it again.
        crc32c = num_bytes = 0
        with self._batch.file(name) as file:
            for part in parts:
                file.write(part)
                num_bytes += len(part)
                crc32c = google_crc32c.extend(crc32c, part)
        self._written[name] = FileChecksum(num_bytes, crc32c)

    def sync(self) -> None:
        """Returns when all written files are on the disk."""
        self._batch.sync()

    def put_in_place(self) -> dict[str, FileChecksum]:
        """Replaces all files, and gives their names within the store and checksums.

        Raises :class:`~seds_core.store.place.ChangedError` where another writer has begun since.
        """
        self._batch.sync()
        expected = read_replacing(self._place)
        self._left = {n: found for n, found in expected.items() if n not in self._written}
        for name, checksum in self._written.items():
            expected[name] = (*expected.get(name, ()), checksum)
        # Before the first file: from here on one may be met with its old or its new content.
        if self._written or self._place.has_only_versions:
            self._batch.write(_REPLACING, _listing(expected))
        self._batch.publish()
        return self._written

    def committed(self) -> None:
        """The store's root names the new checksums now."""
        if not (self._left or self._place.has_only_versions):
            self._place.remove([_REPLACING])
            return
        # Whoever has taken over in between keeps its own list; this commit is complete.
        with suppress(ChangedError):
            self._batch.write(_REPLACING, _listing(self._left))


def read_replacing(place: Place) -> dict[str, tuple[FileChecksum, ...]]:
    """What may be found under the names of files, beside what is committed."""
    try:
        listed = json.loads(place.read(_REPLACING))
        return {name: tuple(map(FileChecksum.parse, texts)) for name, texts in listed.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError):
        # A damaged list vouches for nothing.
        return {}


def _listing(expected: dict[str, tuple[FileChecksum, ...]]) -> bytes:
    listed = {name: list(map(str, checksums)) for name, checksums in expected.items()}
    return json.dumps(listed).encode()
