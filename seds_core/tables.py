"""Reads tables of text: a line that names the columns, then a line for each record.

The header tells what stands between fields. A record reaches beyond its line only where a quotation
does so beyond doubt, so that a forgotten quotation mark costs its line and not the rest of a file.
"""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seds_core.errors import UsageError

_DELIMITERS = ",\t;|"
# Sentences do not hold these delimiters: programs often write such files without quoting.
_LITERAL = "\t|"
_QUOTATION = re.compile(r'"[^"]*"')
# Lines of a record, which bounds how far a quotation is followed.
_MAX_LINES = 100


class TableError(UsageError):
    """A file that is no table of text; the message begins with its path."""


@dataclass(frozen=True)
class TableRow:
    """A record."""

    line: int
    """Number of its first line; the header is line 1."""
    fields: Mapping[str, str]
    """By column, without blanks around them."""
    has_odd_quotes: bool = False
    """Whether it has quotation marks that do not match, which were taken as text."""


@dataclass(frozen=True)
class WrongLine:
    """A line that is no record."""

    line: int
    problem: str
    """What was found and what to do."""


class Table:
    """The columns and records of one file, which are read once and in order."""

    def __init__(self, path: Path, lines: io.TextIOBase, unquoted: str) -> None:
        """Reads the header. ``unquoted`` is as :func:`open_table` describes it."""
        self._path = path
        self._lines = lines
        # Lines that were looked at and not yet read, as a quotation might reach into them.
        self._ahead: deque[str] = deque()
        self._line = 0
        self.header = self._next() or ""
        # A quoted name may hold other delimiters. The comma is first, and wins a tie.
        self.delimiter = max(_DELIMITERS, key=_QUOTATION.sub("", self.header).count)
        self._is_unquoted = self.delimiter in unquoted
        names = _split(self.header, self.delimiter) or self.header.split(self.delimiter)
        self.columns = tuple(name.strip().lower() for name in names)
        """Names in lower case."""
        twice = {name for name in self.columns if name and self.columns.count(name) > 1}
        if twice:
            raise TableError(f"{path} has the column {min(twice)} twice")

    def rows(self) -> Iterator[TableRow | WrongLine]:
        """All records and wrong lines; empty lines are passed over.

        Raises :class:`TableError` where the file turns out to be no text.
        """
        # Line of a quotation mark that matches no other. The next line with an odd number of them
        # may be the quotation's end, and is no record either.
        open_since = 0
        while (text := self._next()) is not None:
            line = self._line
            fields, has_odd_quotes = self._fields(text)
            if fields is None:
                open_since = line
                yield WrongLine(line, 'a quotation mark (") does not match another one')
            elif open_since and text.count('"') % 2:
                yield WrongLine(line, f"may end the quotation that line {open_since} begins")
                open_since = 0
            elif not any(map(str.strip, fields)):
                continue
            elif len(fields) != len(self.columns):
                yield WrongLine(line, self._wrong_number(len(fields)))
            else:
                named = zip(self.columns, map(str.strip, fields), strict=True)
                yield TableRow(line, dict(named), has_odd_quotes)

    def _fields(self, text: str) -> tuple[list[str] | None, bool]:
        """A record's fields, and whether its quotation marks were taken as text."""
        if self._is_unquoted:
            return text.split(self.delimiter), False
        fields = _split(text, self.delimiter) or self._over_lines(text)
        if fields is None and self.delimiter in _LITERAL:
            return text.split(self.delimiter), True
        return fields, False

    def _over_lines(self, text: str) -> list[str] | None:
        """The fields of a record that reaches over several lines; ``None`` where in doubt.

        There is none where the quotation ends, the record then fits the header, and none of the
        further lines has enough fields to be a record by itself.
        """
        for count in range(1, _MAX_LINES):
            line = self._peek(count)
            if line is None or line.count(self.delimiter) >= len(self.columns) - 1:
                return None
            text = f"{text}\n{line}"
            fields = _split(text, self.delimiter)
            if fields is not None:
                if len(fields) != len(self.columns):
                    return None
                for _ in range(count):
                    self._next()
                return fields
        return None

    def _wrong_number(self, found: int) -> str:
        problem = f"{found} fields, expected {len(self.columns)}"
        if found < len(self.columns) or self._is_unquoted:
            return problem
        return f"{problem}: put a text that holds {self.delimiter!r} in quotation marks"

    def _next(self) -> str | None:
        """The next line without its end; ``None`` at the end of the file."""
        text = self._ahead.popleft() if self._ahead else self._read()
        self._line += text is not None
        return text

    def _peek(self, count: int) -> str | None:
        """The line that ``count`` calls of :meth:`_next` would end with."""
        while len(self._ahead) < count:
            line = self._read()
            if line is None:
                return None
            self._ahead.append(line)
        return self._ahead[count - 1]

    def _read(self) -> str | None:
        line = self._lines.readline()
        # UTF-16 without a byte order mark reads as UTF-8 with a NUL beside every ASCII character.
        if "\0" in line:
            raise TableError(f"{self._path} holds NUL characters: save it as UTF-8 text")
        return line.removesuffix("\n") if line else None


@contextmanager
def open_table(path: Path, *, unquoted: str = "") -> Iterator[Table]:
    """A table in UTF-8, or in UTF-16 with a byte order mark; lines may end in any way.

    Fields lie between commas, tabs, semicolons or ``|``, whichever make the most of the first line.
    A field that begins with ``"`` is a quotation, except between delimiters of ``unquoted``. Raises
    :class:`TableError` for a file that cannot be read or is no text, and for a column given twice.
    """
    with _open_text(path) as file:
        yield Table(path, file, unquoted)


def read_text(path: Path) -> str:
    """A file's text; encodings and errors are those of :func:`open_table`."""
    with _open_text(path) as file:
        return file.read()


@contextmanager
def _open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    try:
        with path.open("rb") as file:
            # peek leaves the bytes to the decoder, and may give more than were asked for. utf-8-sig
            # drops the mark that spreadsheets write before UTF-8.
            is_utf16 = file.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
            with io.TextIOWrapper(file, "utf-16" if is_utf16 else "utf-8-sig") as text:
                yield text
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise TableError(f"{path} is not UTF-8 text; save it as UTF-8") from None


def _split(text: str, delimiter: str) -> list[str] | None:
    """A record's fields; ``None`` where quotation marks do not match."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [""])
    except csv.Error:
        return None
