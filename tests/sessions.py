"""Programs in a session of their own, and which processes of a session there still are."""

import os
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def start_session(script, *arguments, **environment):
    """Starts a Python file as the leader of a session; standard error is read by the caller."""
    paths = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests")))
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"} | environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def members(session):
    """Command lines of a session's processes that are alive, by their numbers."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _parent, _group, its_session = (
                (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            )
            if int(its_session) == session and state not in "ZX":
                words = (folder / "cmdline").read_bytes().split(b"\0")
                found[int(folder.name)] = b" ".join(words).decode()
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
    return found


def ten_seconds():
    """As long as a program may take to end; longer where many others compute beside it."""
    return 10.0 * max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))


def end_of(process, seconds=None):
    """Exit code of a session's leader, once nothing of the session is alive; fails if that takes
    longer."""
    seconds = seconds or ten_seconds()
    limit = time.monotonic() + seconds
    code = process.wait(seconds)
    while left := members(process.pid):
        assert time.monotonic() < limit, left
        time.sleep(0.05)
    return code
