"""Which generations of an index are being read, so that none is removed under a reader.

A reader, in whichever process and on whichever machine, holds the file ``readers`` of a generation
locked in common; who wants to remove the generation has to lock it alone. The system drops the
locks of a process that dies.
"""

import errno
import fcntl
import os
import shutil
from pathlib import Path

from search.index.layout import READERS

_WITHOUT_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
"""Errors of file systems that know no locks: there, only what is mapped is safe."""


class Lease:
    """Held on a generation until it is let go or forgotten."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, generation: Path) -> "Lease | None":
        """Takes a lease on the generation in a folder; ``None`` where it is gone or going."""
        try:
            descriptor = os.open(generation / READERS, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                os.close(descriptor)
                raise
        return cls(descriptor)

    def release(self) -> None:
        """Lets go; a second time does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.release()


def remove_unless_read(generation: Path) -> bool:
    """Removes the files of a generation; ``False`` where somebody reads it."""
    try:
        descriptor = os.open(generation / READERS, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # left by a process that died while it removed or made it
        shutil.rmtree(generation, ignore_errors=True)
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Last the file itself: whoever comes now finds none, or finds it locked.
        for path in sorted(generation.iterdir(), key=lambda path: path.name == READERS):
            path.unlink()
        generation.rmdir()
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
