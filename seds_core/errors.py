"""The errors that a command reports in a sentence instead of a trace."""

from collections.abc import Collection
from itertools import islice
from pathlib import Path


class UsageError(ValueError):
    """The command cannot be carried out as given; the message says what to change."""


class UnavailableError(RuntimeError):
    """Something that the command needs cannot be had here; the message says how to get it."""


class ImportedFileError(Exception):
    """A file that cannot become a video's rows; the reason stands in the store's failures."""

    def __init__(self, path: Path, reason: str) -> None:
        """``reason`` says what was found and what to do, without the path."""
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


def first_names(names: Collection[str], shown: int = 3, separator: str = ", ") -> str:
    """The first of many names, for a message, and how many more there are.

    >>> first_names(["a", "b", "c", "d", "e"]), first_names(["a", "b"], separator="; ")
    ('a, b, c and 2 more', 'a; b')
    """
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return separator.join(islice(names, shown)) + more
