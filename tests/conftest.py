"""Gives the programs that tests start what a terminal gives them."""

import signal

# A shell starts `command &` in a script with SIGINT ignored, which child processes inherit.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
