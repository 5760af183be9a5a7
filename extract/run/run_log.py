"""A run's log for programs: JSON lines that are there whatever ends the run."""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from seds_core import console
from seds_core.errors import UsageError
from seds_core.store.provenance import software_versions

MAX_BYTES = 64 * 2**20
"""Of a log; then it becomes NAME.1, in place of an earlier one, and the log begins anew."""

KEPT_LOGS = 500
"""In a folder of logs, beside those of the last day."""

_DAY_S = 86_400

_LEVELS = {"failed": "error", "broken": "error", "noted": "warning", "worker_lost": "warning"}


def log_beside(store: str | Path) -> Path:
    """Where a run's log lies if nobody says: in ``NAME.logs`` beside the store ``NAME``.

    A bucket cannot be appended to, so that the log of a store in one lies in the present folder.
    """
    began = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    name = f"{began}-{socket.gethostname()}-{os.getpid()}.jsonl"
    if isinstance(store, str) and "://" in store:
        return Path(f"{store.rstrip('/').rpartition('/')[2]}.logs") / name
    path = Path(os.path.abspath(store))
    return path.with_name(f"{path.name}.logs") / name


@contextmanager
def logged_run(path: Path, *, is_chosen: bool) -> Iterator["RunLog"]:
    """A log that begins with the command, holds every warning, and ends with how the run ended.

    A log that cannot be written is refused with ``UsageError`` where the user has chosen its path,
    and otherwise does without.
    """
    log = RunLog(path, is_chosen=is_chosen)
    log("run", {"command": sys.argv, "folder": os.getcwd(), "software": software_versions()})
    console.listeners.append(log.told)
    try:
        yield log
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        log("ended", {"reason": reason}, level="error")
        raise
    else:
        log("ended", {})
    finally:
        console.listeners.remove(log.told)
        log.close()


class RunLog:
    """Writes an event a line, which no later end of the process can take back.

    Each line holds ``time``, ``level`` (info, warning or error), ``event``, ``host`` and ``pid``;
    ``video``, ``seconds`` and ``reason`` where the event has them, and whatever else it says.
    """

    def __init__(self, path: Path, *, is_chosen: bool) -> None:
        """Opens the log, or goes on with one that is there. See :func:`logged_run`."""
        self.path = path
        self._who = {"host": socket.gethostname(), "pid": os.getpid()}
        self._lock = threading.Lock()
        self._file: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._opened()
        except OSError as error:
            if is_chosen:
                raise UsageError(f"--log-file {path}: {error.strerror}") from None
            self._give_up(error)
        if not is_chosen:
            _forget_old_logs(path.parent)

    def __call__(self, event: str, values: Mapping[str, Any], *, level: str = "") -> None:
        """Writes an event; a full disk costs the log and not the run."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": level or _LEVELS.get(event, "info"),
            "event": event,
            **self._who,
            **{("video" if name == "video_id" else name): value for name, value in values.items()},
        }
        # One call of the system, without a buffer: a killed process has written all of a line.
        content = json.dumps(line, default=str).encode() + b"\n"
        with self._lock:
            try:
                if self._file is not None:
                    os.write(self._file, content)
                    if os.fstat(self._file).st_size > MAX_BYTES:
                        self._begin_anew()
            except OSError as error:
                self._give_up(error)

    def told(self, level: str, text: str) -> None:
        """Writes what the user was told."""
        self("told", {"text": Text.from_markup(text).plain}, level=level)

    def close(self) -> None:
        """Ends the log."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _opened(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def _begin_anew(self) -> None:
        assert self._file is not None
        os.close(self._file)
        self._file = None
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        self._file = self._opened()

    def _give_up(self, error: OSError) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        # Not through ``warn``, which would be written to this log.
        console.messages.print(
            f"warning: the log {self.path} cannot be written ({error.strerror}): the run goes on "
            "without it",
            markup=False,
        )


def _forget_old_logs(folder: Path) -> None:
    """Deletes the oldest logs of runs that ended long ago, where there are many."""
    try:
        ages = sorted((path.stat().st_mtime, path) for path in folder.glob("*.jsonl*"))
        for modified, path in ages[:-KEPT_LOGS]:
            if modified < time.time() - _DAY_S:
                path.unlink(missing_ok=True)
    except OSError:  # another process tidies up too
        return
