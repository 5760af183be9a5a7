"""Finds and reads the text files of a release: one line a record, columns named by the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seds_core import tables
from seds_core.errors import UsageError
from seds_core.tables import Table, TableError, WrongLine, open_table


class CaptionFileError(UsageError):
    """Caption files that cannot be used; the message names the file and what was expected."""


@dataclass(frozen=True)
class Record:
    """One line: the fields by column, and where it stands."""

    origin: str
    fields: Mapping[str, str]
    """The columns' names are in lower case."""


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


@dataclass(frozen=True)
class Records:
    """What a table holds, and what was found wrong with it."""

    records: tuple[Record, ...]
    columns: tuple[str, ...]
    unreadable: tuple[str, ...]
    """A sentence for each line that is no record."""
    odd_quotes: tuple[str, ...]
    """Lines with quotation marks that do not match, which were taken as text."""


def read_records(path: Path, columns: Sequence[str] = (), *, unquoted: str = "") -> Records:
    """All records of a table; ``unquoted`` as in :func:`seds_core.tables.open_table`.

    Raises :class:`CaptionFileError` for a file that cannot be read or lacks one of ``columns``.
    """
    records, wrong, odd = [], [], []
    try:
        with open_table(path, unquoted=unquoted) as table:
            _check_columns(path, columns, table)
            for row in table.rows():
                origin = f"{path.name}, line {row.line}"
                if isinstance(row, WrongLine):
                    wrong.append(f"{origin}: {row.problem}")
                    continue
                records.append(Record(origin, row.fields))
                if row.has_odd_quotes:
                    odd.append(origin)
    except TableError as error:
        raise CaptionFileError(str(error)) from None
    return Records(tuple(records), table.columns, tuple(wrong), tuple(odd))


def read_text(path: Path) -> str:
    """A file's text; raises :class:`CaptionFileError` for one that cannot be read."""
    try:
        return tables.read_text(path)
    except TableError as error:
        raise CaptionFileError(str(error)) from None


def _check_columns(path: Path, columns: Sequence[str], table: Table) -> None:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise CaptionFileError(
            f"{path} has no column {' and no column '.join(missing)}; its first line is "
            f"'{table.header[:200]}', expected {', '.join(columns)}"
        )
