"""Runs a function of a test in a process with file systems of its own.

``unshare`` gives it a mount namespace in which it is root, so that it can mount what a test needs,
without any right outside and with nothing left behind.
"""

import os
import shutil
import subprocess
import sys

import pytest

UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


def in_namespace(function, *arguments):
    """Calls a module's function there, with texts; fails with what it printed where it fails."""
    if shutil.which("unshare") is None or subprocess.run([*UNSHARE, "true"]).returncode:
        pytest.skip("this system allows no mount namespaces")
    call = f"import {function.__module__} as module; module.{function.__name__}(*{arguments!r})"
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-c", call],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def mount(*arguments):
    """Mounts, for the rest of the process."""
    subprocess.run(["mount", *map(str, arguments)], check=True)
