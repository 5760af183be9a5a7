"""Which part of a recording somebody's table names, as the index names it."""

import re
from collections.abc import Mapping

from extract.videos.part import PART_COLUMNS, read_part

_DECIMAL_COMMA = re.compile(r"\d+,\d+", re.ASCII)
_CLOCK = re.compile(
    r"(?:(?P<hours>\d+):(?=[0-5]?\d:))?(?P<minutes>\d+):(?P<seconds>[0-5]?\d)"
    r"(?:[.,](?P<fraction>\d+))?",
    re.ASCII,
)


def part_columns(fields: Mapping[str, str]) -> dict[str, str]:
    """The columns ``start``, ``end``, ``crop`` and ``size``, those that are there.

    Times become seconds. Raises ``ValueError`` with a sentence for what is no part.

    >>> part_columns({"start": "0:01:02.5", "end": "63,25", "text": "Hi"})
    {'start': '62.5', 'end': '63.25'}
    """
    part = {name: fields[name].strip() for name in PART_COLUMNS if name in fields}
    part |= {name: seconds(part[name]) for name in ("start", "end") if name in part}
    read_part(part)
    return part


def seconds(time: str) -> str:
    """A time in seconds: ``HH:MM:SS.mmm`` and ``MM:SS`` are added up, a comma becomes a point.

    What is another thing stays as it is.
    """
    if _DECIMAL_COMMA.fullmatch(time):
        return time.replace(",", ".")
    clock = _CLOCK.fullmatch(time)
    if clock is None:
        return time
    hours, minutes, rest = (int(clock[key] or 0) for key in ("hours", "minutes", "seconds"))
    total = (hours * 60 + minutes) * 60 + rest
    return f"{total}.{clock['fraction']}" if clock["fraction"] else str(total)
