"""The two kinds of error that a command reports in a sentence instead of a trace."""


class UsageError(ValueError):
    """The command cannot be carried out as given; the message says what to change."""


class UnavailableError(RuntimeError):
    """Something that the command needs cannot be had here; the message says how to get it."""
