"""How a command of this project ends: its exit codes, and errors as a sentence."""

import sys
from collections.abc import Callable
from io import TextIOWrapper

from rich.markup import escape

from seds_core.console import fail
from seds_core.errors import UnavailableError, UsageError

EXIT_ERROR = 1
EXIT_USAGE = 2


def run(app: Callable[[], None]) -> None:
    """Runs a command line; what a person can mend is told without a trace."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be text
    try:
        app()
    except UsageError as error:
        fail(escape(str(error)))
        sys.exit(EXIT_USAGE)
    except (UnavailableError, OSError) as error:  # such as a full disk; it names the file
        fail(escape(str(error)))
        sys.exit(EXIT_ERROR)
