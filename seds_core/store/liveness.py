"""Which writers of a store live, and which one of them is let in.

On disks with locks the operating system drops a dead process's locks at once, however it died. In
buckets, and on network disks whose locks other machines do not see, a writer is taken for dead when
its heartbeat stays away: ``writers/<writer>.json``, rewritten every 20 s. The clock that counts is
that of where the files lie, no machine's own. Writers on disks with locks write it as well, for
``seds-extract status``.
"""

import errno
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import Protocol, runtime_checkable
from uuid import uuid4

from filelock import FileLock, Timeout

from seds_core.console import warn
from seds_core.errors import UsageError
from seds_core.store.disk import DiskPlace
from seds_core.store.place import Absent, ChangedError, Place, Seen

HEARTBEAT_SECONDS = 20.0
DEAD_SECONDS = 90.0
"""Without a heartbeat, a writer is dead."""

_SECONDS_BETWEEN_LOOKS = 2.0
"""At the same writer's heartbeat."""

FORCED = "SEDS_HEARTBEATS"
"""Environment variable that has heartbeats decide on a disk with locks, too."""

MARK = "heartbeats"
"""File of a staging folder whose writers go by heartbeats; it says why."""

_REMOTE = ("nfs", "nfs4", "lustre")
_LOCAL_LOCKS = {"nolock", "local_lock=all", "local_lock=flock", "localflock", "noflock"}
"""Mount options with which another machine does not see a lock."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
"""How a file system says that it has no locks."""

_TRIALS = 100
"""Of locks: far more than writers that leave can spoil."""

_FOLDER_IS_GONE = (FileNotFoundError, FileExistsError)
"""The latter by ``mkdir(exist_ok=True)``, which filelock uses too, where the folder is removed
before it is looked at."""


def heartbeat_name(writer: str) -> str:
    """A writer's heartbeat."""
    return f"writers/{writer}.json"


class Heart:
    """Writes a writer's heartbeat in a thread of its own, with what it has to say."""

    def __init__(self, place: Place, writer: str, tell: Callable[[], bytes]) -> None:
        self._place, self._name, self._tell = place, heartbeat_name(writer), tell
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.latest: Seen | None = None
        """The last heartbeat that has arrived."""

    def start(self) -> None:
        """Writes the first heartbeat, and the others until :meth:`stop`."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """The last heartbeat stays until it is removed."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        # A heartbeat that cannot be written is no reason to stop: the next one may.
        is_silent = False
        while not self._stopped.wait(HEARTBEAT_SECONDS):
            try:
                self._beat()
                is_silent = False
            except Exception as error:  # whatever the way to a bucket may raise
                if not is_silent:
                    warn(f"{self._place.url}: no heartbeat can be written: {error}")
                is_silent = True

    def _beat(self) -> None:
        self.latest = self._place.write(self._name, self._tell())


@runtime_checkable
class Liveness(Protocol):
    """Tells living writers from dead ones."""

    def announce(self) -> None:
        """Has this writer count as living."""

    def withdraw(self) -> None:
        """Has it count as gone."""

    def is_alive(self, writer: str) -> bool:
        """Whether a writer's process lives."""

    def acquire(self) -> bool:
        """Enters unless another writer is inside, without waiting."""

    def release(self) -> None:
        """Leaves."""

    def remove_folder(self) -> None:
        """Removes what is left of a staging folder in which nothing waits, from inside."""

    longest_pause: float
    """Seconds between two attempts to enter."""


class OsLocks:
    """Locks of the operating system, in the staging folder of a disk that has them."""

    longest_pause = 0.05

    def __init__(self, root: Path, writer: str) -> None:
        self._root = root
        self._lock = FileLock(root / "lock", thread_local=False)
        self._alive = FileLock(self._alive_path(writer), thread_local=False)

    def announce(self) -> None:
        """Has this writer count as living."""
        self._alive_path("").parent.mkdir(exist_ok=True)
        self._alive.acquire()

    def withdraw(self) -> None:
        """Has it count as gone."""
        Path(self._alive.lock_file).unlink(missing_ok=True)
        self._alive.release()

    def is_alive(self, writer: str) -> bool:
        """Whether a writer's process lives."""
        path = self._alive_path(writer)
        return path.exists() and _is_held(FileLock(path, thread_local=False))

    def acquire(self) -> bool:
        """Enters unless another writer is inside; makes the folder where it was removed."""
        while True:
            _make_folder(self._root)
            # A lock on a deleted file counts for nothing: filelock then opens the path again, which
            # fails where the folder is gone as well.
            try:
                self._lock.acquire(timeout=0)
                return True
            except Timeout:
                return False
            except _FOLDER_IS_GONE:
                continue

    def release(self) -> None:
        """Leaves."""
        self._lock.release()

    def remove_folder(self) -> None:
        """Removes the folder; its lock goes last."""
        for folder in ("writers", "claims", "finished", "failed"):
            shutil.rmtree(self._root / folder, ignore_errors=True)
        # Who waits for the lock finds out that its file is deleted. Where one of them has begun the
        # folder anew meanwhile, it stays.
        with suppress(OSError):
            Path(self._lock.lock_file).unlink()
            self._root.rmdir()

    def _alive_path(self, writer: str) -> Path:
        return self._root / "writers" / f"{writer}.alive"


class Heartbeats:
    """Heartbeats, and a lock that is a file written conditionally."""

    longest_pause = 1.0

    def __init__(self, place: Place, writer: str, heart: Heart) -> None:
        self._place, self._writer, self._heart = place, writer, heart
        # The lock as this writer has written it, while it is inside.
        self._inside: Seen | None = None
        # Writer -> version of its last heartbeat, and when this process saw it first.
        self._versions: dict[str, tuple[str, float]] = {}
        # Writer -> when it was looked at, and whether it lived.
        self._looked: dict[str, tuple[float, bool]] = {}

    def announce(self) -> None:
        """Has this writer count as living: its heart beats already."""

    def withdraw(self) -> None:
        """Has it count as gone: its heartbeat is removed."""

    def is_alive(self, writer: str) -> bool:
        """Whether a writer's heartbeat is not much older than this one's."""
        now = time.monotonic()
        # Many claims of one writer may be asked for at a time.
        if now - self._looked.get(writer, (-DEAD_SECONDS, False))[0] > _SECONDS_BETWEEN_LOOKS:
            self._looked[writer] = now, self._look(writer, now)
        return self._looked[writer][1]

    def _look(self, writer: str, now: float) -> bool:
        seen = self._place.look(heartbeat_name(writer))
        if seen is None:
            return False
        own = self._heart.latest
        # One that has not changed for so long is dead, even where the clock has been put back.
        version, since = self._versions.get(writer, ("", now))
        if version != seen.version:
            self._versions[writer] = seen.version, now
            since = now
        is_late = own is not None and own.modified - seen.modified > DEAD_SECONDS
        return not is_late and now - since <= DEAD_SECONDS

    def acquire(self) -> bool:
        """Enters unless a living writer is inside."""
        seen = self._place.look("lock")
        if seen:
            try:
                holder = self._place.read("lock").decode().split()[0]
            except (FileNotFoundError, UnicodeDecodeError, IndexError):
                holder = ""
            if holder not in ("free", self._writer) and self.is_alive(holder):
                return False
        # Whoever writes first is inside; the others' versions are gone then. The second word makes
        # every version another one.
        content = f"{self._writer} {uuid4().hex}".encode()
        try:
            self._inside = self._place.write("lock", content, only_if=seen or Absent())
        except ChangedError:
            return False
        return True

    def release(self) -> None:
        """Leaves; does nothing where another writer has taken over."""
        inside, self._inside = self._inside, None
        with suppress(ChangedError):
            self._place.write("lock", f"free {uuid4().hex}".encode(), only_if=inside)

    def remove_folder(self) -> None:
        """Leaves the lock: another writer may have it the moment that this one gives it up."""


def missing_locks(root: Path) -> str | None:
    """Why locks in a folder tell nothing of other machines' writers; ``None`` where they do."""
    with suppress(OSError):  # on Linux alone
        if reason := unseen_locks(root, Path("/proc/mounts").read_text()):
            return reason
    trial = FileLock(root / f"trial-{uuid4().hex}", thread_local=False)
    try:
        with trial.acquire(timeout=0):
            return None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        return f"its file system has no locks ({error})"
    finally:
        Path(trial.lock_file).unlink(missing_ok=True)


def unseen_locks(root: Path, mount_table: str) -> str | None:
    """Why other machines do not see this one's locks, as far as a mount table tells."""
    mounts = [line.split() for line in mount_table.splitlines()]
    path = os.path.realpath(root)
    above = [m for m in mounts if len(m) > 3 and os.path.commonpath([path, m[1]]) == m[1]]
    if not above:
        return None
    # The innermost mount counts, and of several on one folder the last.
    _, folder, kind, options, *_ = max(reversed(above), key=lambda mount: len(mount[1]))
    if kind in _REMOTE and (told := _LOCAL_LOCKS & set(options.split(","))):
        return f"{folder} is mounted with {', '.join(sorted(told))}"
    if kind.startswith("fuse.") and kind.removeprefix("fuse.") in _REMOTE_FUSE:
        return (
            f"{folder} is mounted by {kind.removeprefix('fuse.')}, which locks on one machine only"
        )
    return None


_REMOTE_FUSE = {"sshfs", "s3fs", "gcsfuse", "goofys", "rclone", "mount-s3", "blobfuse2"}


def liveness_of(place: Place, writer: str, heart: Heart) -> Liveness:
    """What tells living writers from dead ones where a staging folder lies.

    Makes the folder on a disk. Raises :class:`UsageError` where writers that go by locks are at
    work, and this process has none.
    """
    if not isinstance(place, DiskPlace):
        return Heartbeats(place, writer, heart)
    reason = f"{FORCED} is set" if os.environ.get(FORCED) else _tried_locks(place.path)
    if reason and place.look(MARK) is None:
        _go_by_heartbeats(place, reason)
    if reason or place.look(MARK):
        return Heartbeats(place, writer, heart)
    return OsLocks(place.path, writer)


def _tried_locks(root: Path) -> str | None:
    """Like :func:`missing_locks`, of a folder that it makes."""
    for _ in range(_TRIALS):
        _make_folder(root)
        # The last writer that leaves may remove the folder under the trial, whose lock then counts
        # for nothing.
        with suppress(*_FOLDER_IS_GONE, Timeout):
            return missing_locks(root)
    return "a lock for which nobody else asks cannot be had"


def _make_folder(path: Path) -> None:
    with suppress(FileExistsError):
        path.mkdir(parents=True)
    if path.is_file():  # which would be tried for ever
        raise NotADirectoryError(errno.ENOTDIR, "a file where a folder has to be", str(path))


def _go_by_heartbeats(place: Place, reason: str) -> None:
    """Says so to the writers to come; raises where living ones go by locks."""
    now = place.write(MARK, reason.encode()).modified
    by_locks = [name for name, _ in place.names("writers/") if name.endswith(".alive")]
    beats = map(place.look, (heartbeat_name(PurePath(name).stem) for name in by_locks))
    if any(beat and now - beat.modified <= DEAD_SECONDS for beat in beats):
        place.remove([MARK])
        raise UsageError(
            f"{place.url}: other writers go by locks, and here {reason}: wait until they have "
            f"ended, or start all of them with {FORCED}=1"
        )
    warn(
        f"{place.url}: {reason}, so writers are told from dead ones by heartbeats: what one that "
        f"dies had in hand is free again after {DEAD_SECONDS:.0f} s"
    )


@contextmanager
def inside(liveness: Liveness, *, wait: bool) -> Iterator[bool]:
    """Keeps the other writers out; without ``wait`` it may not come in, and says so."""
    pause = 0.01
    while not (is_inside := liveness.acquire()) and wait:
        time.sleep(pause * random.uniform(0.5, 1))
        pause = min(2 * pause, liveness.longest_pause)
    try:
        yield is_inside
    finally:
        if is_inside:
            liveness.release()


def _is_held(lock: FileLock) -> bool:
    """Whether another process holds a lock."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
