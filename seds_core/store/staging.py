"""Which process works on which video, and what waits to be packed into the store.

Beside a store ``NAME`` lies the folder ``NAME.staging``::

    lock                  held for moments: to claim, to finish, to pack
    alone                 held by an import, from its beginning to its end
    writers/<writer>/     one folder a process; its file ``alive`` is locked as long as it lives
        <key>             a claim: this process works on that video
    finished/<number>-<key>.npz    finished videos, in the order of finishing
    failed/<key>.json              failures of the present runs

The operating system drops a dead process's locks, however it died, and then its claims are void.
The folder may be deleted when no extraction runs, at the cost of what ``finished`` still holds.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from uuid import uuid4

from filelock import FileLock, Timeout

from seds_core.errors import UsageError
from seds_core.store.records import (
    FailedVideo,
    FinishedVideo,
    read_failed,
    read_finished,
    write_failed,
    write_finished,
)


class StoreInUseError(UsageError):
    """A store that another process is writing to in a way that lets nobody join."""

    def __init__(self, store_path: Path) -> None:
        """The message names the store and what to do."""
        super().__init__(
            f"{store_path}: another import or extraction is writing to this store. "
            "Wait until it has ended, or give another --out."
        )


def video_key(video_id: str) -> str:
    """A file name for a video, whatever its id contains."""
    return hashlib.blake2b(video_id.encode(), digest_size=12).hexdigest()


class Staging:
    """One process's view of a staging folder. All but ``lock`` must be called under the lock."""

    def __init__(self, store_path: Path) -> None:
        """Joins the staging folder of a store, creating it when it is not there."""
        self._store_path = store_path
        root = store_path.with_name(f"{store_path.name}.staging")
        self._writers = root / "writers"
        self._finished = root / "finished"
        self._failed = root / "failed"
        for folder in (self._writers, self._finished, self._failed):
            folder.mkdir(parents=True, exist_ok=True)
        self._of_threads = RLock()  # one file lock serves all threads of a process at once
        self._lock = FileLock(root / "lock", thread_local=False)
        self._alone = FileLock(root / "alone", thread_local=False)
        self._own = self._writers / uuid4().hex
        self._alive = FileLock(self._own / "alive", thread_local=False)

    def __enter__(self) -> "Staging":
        """Announces this process as a writer."""
        with self.lock():  # so that nobody takes the folder for a dead writer's
            self._own.mkdir()
            self._alive.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """Withdraws this process and its claims."""
        with self.lock():
            shutil.rmtree(self._own, ignore_errors=True)
            self._alive.release()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps all other writers of the store out for a moment.

        Raises :class:`StoreInUseError` when another process is :meth:`alone` in it.
        """
        with self._of_threads, self._lock:
            if not self._alone.is_locked and _is_held(self._alone):
                raise StoreInUseError(self._store_path)
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps all other writers of the store out for long: they are refused instead of waiting.

        Raises :class:`StoreInUseError` when there is another already.
        """
        with self.lock():
            if self._living_writers():
                raise StoreInUseError(self._store_path)
            self._alone.acquire()
        try:
            yield
        finally:
            self._alone.release()

    def claim(self, video_id: str) -> None:
        """Says that this process works on a video."""
        (self._own / video_key(video_id)).write_text(video_id, encoding="utf-8")

    def release(self, video_id: str) -> None:
        """Takes a claim back."""
        (self._own / video_key(video_id)).unlink(missing_ok=True)

    def claimed_by_others(self) -> set[str]:
        """Keys of the videos that other living processes work on."""
        living = self._living_writers()
        return {path.name for writer in living for path in writer.iterdir()} - {"alive"}

    def _living_writers(self) -> list[Path]:
        """Folders of the other processes; those of dead ones are removed."""
        living = []
        for writer in self._writers.iterdir():
            if writer == self._own:
                continue
            if _is_held(FileLock(writer / "alive", thread_local=False)):
                living.append(writer)
            else:
                shutil.rmtree(writer, ignore_errors=True)
        return living

    def add_finished(self, video: FinishedVideo) -> None:
        """Keeps a finished video, behind those that are waiting already."""
        waiting = self.finished_paths()
        number = int(waiting[-1].name.split("-")[0]) + 1 if waiting else 0
        key = video_key(video.source.video_id)
        write_finished(self._finished / f"{number:09d}-{key}.npz", video)
        (self._failed / f"{key}.json").unlink(missing_ok=True)

    def finished_paths(self) -> list[Path]:
        """Files of the finished videos, in the order of finishing."""
        return sorted(self._finished.glob("*.npz"))

    def finished_keys(self) -> set[str]:
        """Keys of the finished videos."""
        return {path.stem.split("-")[1] for path in self.finished_paths()}

    def read_finished(self) -> list[FinishedVideo]:
        """The finished videos, in the order of finishing."""
        return [read_finished(path) for path in self.finished_paths()]

    def add_failed(self, failure: FailedVideo) -> None:
        """Keeps a failure."""
        write_failed(self._failed / f"{video_key(failure.video_id)}.json", failure)

    def read_failed(self) -> list[FailedVideo]:
        """The failures, by key."""
        return [read_failed(path) for path in sorted(self._failed.glob("*.json"))]

    def clear(self) -> None:
        """Drops all finished and failed videos: they are in the store now."""
        for folder in (self._finished, self._failed):
            for path in folder.iterdir():
                path.unlink()


def _is_held(lock: FileLock) -> bool:
    """Whether somebody else holds a lock."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
