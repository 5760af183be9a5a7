"""What reading processes do in tests: they import it by its name."""

import os
import sys
import time


def double(number):
    return 2 * number


def fail_as_asked(error):
    raise error


def variable(name):
    return os.environ.get(name)


def stand_still(_request):
    time.sleep(600)


class UnsendableError(Exception):
    """Needs more than its message, so that it cannot be unpickled."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def fail_unsendably(_request):
    raise UnsendableError(1, 2)


def end_at_once(code):
    os._exit(code)


def look_around(request):
    """What was sent beside the request, and what had to be imported."""
    rows = request
    arrays = rows.in_memory.values()
    return rows.videos, [array.is_shared() for array in arrays], set(sys.modules)
