"""Captions as JSON: an array of objects, or one object a line."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from extract.captions.release_files import CaptionFileError, Record, Records, read_text


def read_json_records(source: Path, own: Collection[str], others: Collection[str]) -> Records:
    """The objects of a file; the names of their values are taken in lower case.

    Of the values named in ``own`` and ``others``, texts and numbers are taken, and ``null`` is
    empty; an object with another value, or whose ``text`` is a number, is unreadable. Raises
    ``CaptionFileError`` for a file that cannot be read.
    """
    wanted = {*own, *others}
    records, wrong, columns = [], [], dict[str, None]()
    for origin, value in _values(source):
        try:
            record, names = _record(origin, value, wanted)
        except ValueError as error:
            wrong.append(f"{origin}: {error}")
        else:
            records.append(record)
            columns |= dict.fromkeys(names)
    return Records(tuple(records), tuple(columns), tuple(wrong), ())


def _values(source: Path) -> Iterator[tuple[str, Any]]:
    """Each entry's place and value; ``None`` for a line that is no JSON."""
    text = read_text(source)
    if text.lstrip().startswith("["):
        try:
            entries = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CaptionFileError(f"{source} is no JSON array of objects: {error}") from None
        for number, value in enumerate(entries, start=1):
            yield f"{source.name}, entry {number}", value
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{source.name}, line {number}", _parsed(line)


def _parsed(line: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _record(origin: str, value: Any, wanted: set[str]) -> tuple[Record, list[str]]:  # noqa: ANN401
    """An object's fields, and all its names; ``ValueError`` for what is none."""
    if not isinstance(value, dict):
        raise ValueError("no JSON object; expected an array of objects, or one object a line")
    named = {str(name).strip().lower(): content for name, content in value.items()}
    fields = {name: _text(name, named[name]) for name in wanted & named.keys()}
    return Record(origin, fields), list(named)


def _text(name: str, value: Any) -> str:  # noqa: ANN401
    """A value as a table has it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, str) or value is None:
        text = value or ""
    elif is_number and name != "text":
        text = str(value)
    else:
        raise ValueError(f"{name} is {json.dumps(value)[:60]}; expected a text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds half a character: {json.dumps(value)[:60]}") from None
    return text.strip()
