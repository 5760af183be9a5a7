"""Signals as in a terminal, and the fixtures that tests of several packages share."""

import signal

# A shell starts `command &` in a script with SIGINT ignored, which child processes inherit.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["bucket_fixtures"]
