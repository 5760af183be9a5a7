"""Programs that tests start hear Ctrl-C, however the tests were started."""

import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).with_name("conftest.py")

ASK = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"

PROGRAM = f"""
import runpy, subprocess, sys
runpy.run_path({str(CONFTEST)!r})
subprocess.run([sys.executable, "-S", "-c", {ASK!r}], check=True)
"""


def test_a_suite_in_the_background_gives_ctrl_c_back():
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-S", "-c"]
    for program, expected in ((ASK, "False"), (PROGRAM, "True")):
        done = subprocess.run([*command, program], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected
