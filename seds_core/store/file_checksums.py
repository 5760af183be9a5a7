"""Checksums of a store's files, and files that change together."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import google_crc32c

from seds_core.errors import UsageError
from seds_core.files import sync_all, unfinished_path, write_whole

_BLOCK_BYTES = 2**20

_REPLACING = "replacing.json"
"""While files are replaced: what may be found under their names beside what was committed."""


class DamagedStoreError(UsageError):
    """A store that is not what was written; the message names it and says how to go on.

    ``what`` is wrong, as a clause.
    """

    def __init__(self, store_path: Path, what: str) -> None:
        self.store_path, self.what = store_path, what
        super().__init__(f"{store_path} is damaged: {what}. {self._advice()}")

    def _advice(self) -> str:
        return (
            f"'seds-extract verify {self.store_path}' tells all that is wrong, and 'seds-extract "
            f"repair {self.store_path}' drops the damaged videos, so that the command that made "
            "the store does them again."
        )

    def __reduce__(self) -> tuple[type["DamagedStoreError"], tuple[Path, str]]:
        # For workers, which send their errors to another process.
        return type(self), (self.store_path, self.what)


class DamagedRootError(DamagedStoreError):
    """A store whose root is not what was written: nothing tells what the store holds."""

    def _advice(self) -> str:
        return "Take that file from a copy of the store; without one, only a new store helps."


class FileChecksum(NamedTuple):
    """What tells a file from a damaged one."""

    num_bytes: int
    crc32c: int

    @classmethod
    def of(cls, path: Path) -> "FileChecksum":
        """Reads the file."""
        crc32c = num_bytes = 0
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
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


@dataclass(frozen=True)
class Replacement:
    """A file that is written, but not yet under its name."""

    path: Path
    checksum: FileChecksum

    @property
    def unfinished(self) -> Path:
        """Where it lies."""
        return unfinished_path(self.path)


@dataclass
class Replacements:
    """Files of a store that change together.

    Until all are in place and the store's root names their checksums, ``replacing.json`` says which
    others may be met, so that a process may die in between without anything looking damaged.
    """

    store_path: Path
    _written: list[Replacement] = field(default_factory=list)
    _num_synced: int = 0

    def __enter__(self) -> "Replacements":
        return self

    def __exit__(self, *_: object) -> None:
        """Deletes what has not been put in place."""
        for replacement in self._written:
            replacement.unfinished.unlink(missing_ok=True)

    def add(self, replacements: Iterable[Replacement]) -> None:
        """Takes written files, which get their names with the others."""
        # Each is written when it is asked for; those before it are deleted should it fail.
        for replacement in replacements:
            self._written.append(replacement)

    def sync(self) -> None:
        """Returns when all written files are on the disk."""
        sync_all(replacement.unfinished for replacement in self._written[self._num_synced :])
        self._num_synced = len(self._written)

    def put_in_place(self) -> dict[str, FileChecksum]:
        """Replaces all files, and gives their names within the store and checksums."""
        if not self._written:
            return {}
        self.sync()
        # Files of an interrupted pack may still lie there: what they may be stays listed.
        names = {r.path.relative_to(self.store_path).as_posix(): r for r in self._written}
        expected = read_replacing(self.store_path)
        for name, replacement in names.items():
            expected[name] = (*expected.get(name, ()), replacement.checksum)
        listed = {name: list(map(str, checksums)) for name, checksums in expected.items()}
        # Before the first rename: from here on a file may be met with its old or its new content.
        write_whole(self.store_path / _REPLACING, json.dumps(listed).encode())
        folders = set()
        for replacement in self._written:
            path = replacement.path
            # The folder of a new shard may be new itself.
            folders |= {path.parent} if path.exists() else {*path.parents}
            replacement.unfinished.replace(path)
        sync_all(folder for folder in folders if folder.is_relative_to(self.store_path))
        return {name: replacement.checksum for name, replacement in names.items()}

    def committed(self) -> None:
        """The store's root names the new checksums now."""
        (self.store_path / _REPLACING).unlink(missing_ok=True)


def read_replacing(store_path: Path) -> dict[str, tuple[FileChecksum, ...]]:
    """What may be found under the names of files, beside what is committed."""
    try:
        listed = json.loads((store_path / _REPLACING).read_bytes())
        return {name: tuple(map(FileChecksum.parse, texts)) for name, texts in listed.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError):
        # A damaged list vouches for nothing.
        return {}
