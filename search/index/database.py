"""The SQLite file that holds an index's state, and what its errors mean to the user."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from search.index.layout import LAYOUT_VERSION, SCHEMA, STATE, checksum
from seds_core.errors import UnavailableError, UsageError
from seds_core.files import sync, unfinished_path

WAIT_SECONDS = 60.0
"""For a writer that is putting its transaction on the disk."""

CACHE_KIB = 256 * 1024
"""Changed pages that a writer keeps until it commits: readers go on that long."""


class IndexFolderError(UsageError):
    """A folder that is no index, or one that this program cannot read; the message says why."""


class DamagedIndexError(UnavailableError):
    """An index whose files are not what was written; the message says what to do."""

    def __init__(self, part: Path, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"the index {part} is damaged or was copied in part: {problem}. Copy it again as a "
            "whole while nobody writes to it, or remove the folder and build it again"
        )


def create_state(part: Path, facts: Mapping[str, str]) -> None:
    """Creates the state of an empty part in a folder, with what is true of it for ever."""
    path = part / STATE
    unfinished = unfinished_path(path)
    unfinished.unlink(missing_ok=True)
    with closing(_connect(unfinished, "rwc")) as connection:
        # So that freed pages can be given back; only a new file takes it.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        with writing(part, connection):
            for statement in SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO state VALUES (0, 1, 0, 0, 0, 0)")
            for name, value in {"layout_version": str(LAYOUT_VERSION), **facts}.items():
                write_fact(connection, name, value)
    # It appears whole or not at all.
    unfinished.replace(path)
    sync(part)


def open_state(part: Path) -> sqlite3.Connection:
    """Opens the state of the part in a folder, to read or to write.

    Raises :class:`IndexFolderError` for a folder that holds none or one of another layout version,
    and :class:`DamagedIndexError`.
    """
    path = part / STATE
    if not path.is_file():
        raise IndexFolderError(
            f"{part} is no index: it has no file {STATE}. seds-search build makes one"
        )
    with naming_state(part):
        connection = _connect(path, "rw")
    try:
        found = read_fact(part, connection, "layout_version")
    except BaseException:
        connection.close()
        raise
    if found != str(LAYOUT_VERSION):
        connection.close()
        raise IndexFolderError(
            f"the index {part} has layout version {found}, this program reads {LAYOUT_VERSION}: "
            "use the version that built it, or build it again into another folder"
        )
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # A folder or file that cannot be written to is opened for reading by SQLite itself.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=WAIT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    # EXTRA also puts on the disk that a journal is gone, and with it the transaction's end.
    connection.executescript(
        f"PRAGMA synchronous = EXTRA; PRAGMA cache_size = -{CACHE_KIB}; PRAGMA cache_spill = OFF"
    )
    return connection


@contextmanager
def reading(part: Path, connection: sqlite3.Connection) -> Iterator[None]:
    """Inside, all queries see one version of the state."""
    with naming_state(part):
        connection.execute("BEGIN")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@contextmanager
def writing(part: Path, connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction: at the end of the block all of it is on the disk, or nothing."""
    with naming_state(part):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            # A full disk may have ended the transaction already.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


@contextmanager
def naming_state(part: Path) -> Iterator[None]:
    """Turns SQLite's errors into ones that name the index and what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            raise DamagedIndexError(part, f"{STATE} lacks a table ({error})") from error
        raise UnavailableError(f"the index {part}: {_meaning(error)}") from error
    except sqlite3.DatabaseError as error:
        raise DamagedIndexError(part, f"{STATE} cannot be read ({error})") from error


def _meaning(error: sqlite3.OperationalError) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return "the disk is full. The index is as it was; free some space and run this again"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another process has held {STATE} for {WAIT_SECONDS:g} s. Try again"
    if name.startswith("SQLITE_READONLY_ROLLBACK"):
        return (
            "a writer was interrupted, and what it left has to be undone where the folder can be "
            "written to: run seds-search info there once"
        )
    if name.startswith("SQLITE_READONLY"):
        return f"{STATE} or its folder cannot be written to"
    return f"{STATE} cannot be used ({error})"


def write_fact(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Writes or replaces one of the plain facts of a part."""
    connection.execute(
        "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", (name, value, checksum(name, value))
    )


def has_fact(connection: sqlite3.Connection, name: str) -> bool:
    """Whether a fact has been written."""
    found = connection.execute("SELECT 1 FROM facts WHERE name = ?", (name,))
    return found.fetchone() is not None


def read_fact(part: Path, connection: sqlite3.Connection, name: str) -> str:
    """Reads a fact; raises :class:`DamagedIndexError` where it is missing or changed."""
    with naming_state(part):
        found = connection.execute("SELECT value, crc FROM facts WHERE name = ?", (name,))
        row = found.fetchone()
    if row is None or checksum(name, row[0]) != row[1]:
        problem = f"{STATE} does not say its {name}" if row is None else f"its {name} has changed"
        raise DamagedIndexError(part, problem)
    value: str = row[0]
    return value
