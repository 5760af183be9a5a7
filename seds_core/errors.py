"""The errors that a command reports in a sentence instead of a trace."""

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
