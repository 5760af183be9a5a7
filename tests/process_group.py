"""Starts a function of a test in two processes that belong together, as torchrun would."""

import os
import socket
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def start_two_processes(script, *arguments):
    """Starts a Python file twice; each copy finds in its environment what torchrun would put."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    shared = {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests"))),
    }
    return [
        subprocess.Popen(
            [sys.executable, str(script), *map(str, arguments)],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def wait_for_both(running, code=0):
    """Waits for both, and fails with their messages unless both end with an exit code."""
    outputs = [process.communicate(timeout=180)[1] for process in running]
    for process, output in zip(running, outputs, strict=True):
        assert process.returncode == code, output
    return outputs


def run_in_two_processes(script, *arguments):
    """Runs a Python file twice, and fails with its messages if one of them does."""
    return wait_for_both(start_two_processes(script, *arguments))
