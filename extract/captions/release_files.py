"""Finds and reads the text files of a release: one line a record, columns named by the first."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seds_core.errors import UsageError


class CaptionFileError(UsageError):
    """Caption files that cannot be used; the message names the file and what was expected."""


@dataclass(frozen=True)
class Record:
    """One line: the fields by column, and where it stands."""

    origin: str
    fields: Mapping[str, str]


def find_files(
    source: Path, names: Mapping[str, str], folders: Sequence[str] = (".",)
) -> dict[str, Path]:
    """The files of a release by key, from ``names`` (key -> file name), those that are there.

    ``source`` is a folder that has them in one of ``folders`` (``{key}`` stands for the key), or
    one of the files. Raises :class:`CaptionFileError` where none is there.
    """
    if source.is_file():
        found = {key: source for key, name in names.items() if name == source.name}
        if found:
            return found
    for folder in folders:
        places = {key: source / folder.format(key=key) / name for key, name in names.items()}
        found = {key: path for key, path in places.items() if path.is_file()}
        if found:
            return found
    where = f"{source} does not exist" if not source.exists() else f"no captions in {source}"
    raise CaptionFileError(
        f"{where}; expected {' or '.join(names.values())}, "
        f"in that folder or its {', '.join(folder for folder in folders if folder != '.') or 'top'}"
    )


def read_records(
    path: Path, columns: Sequence[str], delimiter: str, *, is_quoted: bool
) -> tuple[list[Record], list[str]]:
    """All records of a file, and a sentence for each line that is none.

    ``is_quoted``: whether a field that begins with ``"`` ends with one. A record never reaches
    beyond its line, so that a forgotten quotation mark costs one line and not the rest of the file.
    Raises :class:`CaptionFileError` for a file that cannot be read or lacks one of ``columns``.
    """
    header, *lines = read_text(path).split("\n")
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE
    names = header.split(delimiter)
    missing = [name for name in columns if name not in names]
    if missing:
        raise CaptionFileError(
            f"{path} has no column {' and no column '.join(missing)}; its first line is "
            f"'{header[:200]}', expected {delimiter.join(columns)!r}"
        )
    records, unreadable = [], []
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        origin = f"{path.name}, line {number}"
        try:
            fields = next(csv.reader([line], delimiter=delimiter, quoting=quoting, strict=True))
            pairs = zip(names, fields, strict=True)
            records.append(Record(origin, {name: field.strip() for name, field in pairs}))
        except csv.Error as error:
            unreadable.append(f"{origin}: {error}")
        except ValueError:
            unreadable.append(f"{origin}: {len(fields)} fields, expected {len(names)}")
    return records, unreadable


def read_text(path: Path) -> str:
    """A file's text; raises :class:`CaptionFileError` for one that cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CaptionFileError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CaptionFileError(f"{path} is not UTF-8 text; save it as UTF-8") from None
