"""Which process works on which video, and the finished videos that wait to be packed.

A finished or failed video is a record: a file that is whole or absent, so that a process that is
killed loses only the video that it was working on. Records wait beside a store ``NAME``, in the
folder ``NAME.staging``::

    lock                  held for moments: to claim, to finish, to pack
    alone                 held by an import, from its beginning to its end
    writers/<writer>/     one folder a process; its file ``alive`` is locked as long as it lives
        <key>             a claim: this process works on that video
    finished/<number>-<key>.npz    finished videos, in the order of finishing
    failed/<key>.json              failures of the present runs
    quarantine/                    records that cannot be read, for the user to look at

The operating system drops a dead process's locks, however it died, and then its claims are void.
The last writer that leaves removes the folder where nothing waits in it.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from uuid import uuid4

from filelock import FileLock, Timeout
from rich.markup import escape

from seds_core.console import warn
from seds_core.errors import UsageError
from seds_core.store.provenance import Provenance
from seds_core.store.records import (
    DamagedRecordError,
    FailedVideo,
    FinishedVideo,
    StagedVideo,
    read_failed,
    read_finished,
    video_key,
    write_failed,
    write_finished,
)


class StoreInUseError(UsageError):
    """A store that another process is writing to in a way that lets no other join."""

    def __init__(self, store_path: Path) -> None:
        super().__init__(
            f"{store_path}: another import or extraction is writing to this store. "
            "Wait until it has ended, or give another --out."
        )


_FINISHED = re.compile(r"(\d{9,})-([0-9a-f]{24})\.npz")
"""Number in the order of finishing, and key of the video."""


def staging_folder(store_path: Path) -> Path:
    """Where a store's staging folder is, also for a store that is the working directory."""
    path = Path(os.path.abspath(store_path))
    return path.with_name(f"{path.name}.staging")


def num_finished(store_path: Path) -> int:
    """Finished videos that no process has packed yet."""
    finished = staging_folder(store_path) / "finished"
    names = os.listdir(finished) if finished.is_dir() else []
    return sum(_FINISHED.fullmatch(name) is not None for name in names)


class Staging:
    """One process's view of a staging folder.

    All but ``lock``, ``alone`` and the context manager must be called under the lock.
    """

    def __init__(self, store_path: Path) -> None:
        self._store_path = store_path
        self._root = root = staging_folder(store_path)
        self._writers = root / "writers"
        self._finished = root / "finished"
        self._failed = root / "failed"
        self._quarantine = root / "quarantine"
        self._of_threads = RLock()  # one file lock serves all threads of a process at once
        self._lock = FileLock(root / "lock", thread_local=False)
        self._alone = FileLock(root / "alone", thread_local=False)
        # Its folder tells other processes what this one works on, as long as ``alive`` is locked.
        self._own = self._writers / uuid4().hex
        self._alive = FileLock(self._own / "alive", thread_local=False)

    def __enter__(self) -> "Staging":
        """Announces this process as a writer."""
        with self.lock():  # so that no other process takes the folder for a dead writer's
            self._own.mkdir()
            self._alive.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """Withdraws this process and its claims."""
        with self.lock():
            shutil.rmtree(self._own, ignore_errors=True)
            self._alive.release()
            self._remove_if_empty()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps all other writers of the store out for a moment.

        Raises :class:`StoreInUseError` when another process is :meth:`alone` in it.
        """
        with self._of_threads:
            self._acquire()
            try:
                if not self._alone.is_locked and _is_held(self._alone):
                    raise StoreInUseError(self._store_path)
                yield
            finally:
                self._lock.release()

    def _acquire(self) -> None:
        """Locks the folder, and makes it where the last writer has removed it."""
        while True:
            self._root.mkdir(parents=True, exist_ok=True)
            # A lock on a deleted file counts for nothing: filelock then opens the path again, which
            # fails where the folder is gone as well.
            with suppress(FileNotFoundError):
                self._lock.acquire()
                break
        for folder in (self._writers, self._finished, self._failed):
            folder.mkdir(exist_ok=True)

    def _remove_if_empty(self) -> None:
        """Removes the folder where nothing waits in it and no other writer is at work."""
        kept = [*self._finished.iterdir(), *self._failed.iterdir()]
        if kept or self._quarantine.exists() or self._living_writers():
            return
        for folder in (self._writers, self._finished, self._failed):
            folder.rmdir()
        # The lock goes last: who waits for it finds out that its file is deleted. Where one of them
        # has begun the folder anew meanwhile, it stays.
        with suppress(OSError):
            Path(self._alone.lock_file).unlink(missing_ok=True)
            Path(self._lock.lock_file).unlink()
            self._root.rmdir()

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
            with self.lock():
                self._alone.release()
                self._remove_if_empty()

    def claim(self, video_id: str) -> None:
        """Says that this process works on a video."""
        (self._own / video_key(video_id)).touch()

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

    def add_finished(self, video: FinishedVideo, provenance: Provenance) -> None:
        """Keeps a finished video, behind those that are waiting already."""
        # The number keeps the order over processes: what finished last counts.
        number = max((int(number) for number, _ in self._waiting()), default=-1) + 1
        key = video_key(video.source.video_id)
        write_finished(self._finished / f"{number:09d}-{key}.npz", video, provenance)
        (self._failed / f"{key}.json").unlink(missing_ok=True)

    def finished_keys(self) -> set[str]:
        """Keys of the finished videos."""
        return {key for _, key in self._waiting()}

    def read_finished(self) -> Iterator[tuple[Path, StagedVideo]]:
        """The finished videos and their files, in the order of finishing; no damaged ones."""
        for path in _records(self._finished):
            try:
                if not _FINISHED.fullmatch(path.name):
                    raise DamagedRecordError("no record has such a name")
                yield path, read_finished(path)
            except DamagedRecordError as error:
                self.set_aside(path, str(error))

    def add_failed(self, failure: FailedVideo) -> None:
        """Keeps a failure."""
        write_failed(self._failed / f"{video_key(failure.video_id)}.json", failure)

    def failure_of(self, video_id: str) -> FailedVideo | None:
        """Why a video has failed, when that is not in the store yet."""
        try:
            return read_failed(self._failed / f"{video_key(video_id)}.json")
        except (FileNotFoundError, DamagedRecordError):
            return None

    def read_failed(self) -> Iterator[FailedVideo]:
        """The failures, by key; no damaged ones."""
        for path in _records(self._failed):
            try:
                yield read_failed(path)
            except DamagedRecordError as error:
                self.set_aside(path, str(error))

    def set_aside(self, path: Path, reason: str) -> None:
        """Moves a record that nothing can be done with out of the way, and says so."""
        self._quarantine.mkdir(exist_ok=True)
        aside = self._quarantine / path.name
        if aside.exists():
            aside = aside.with_name(f"{uuid4().hex}-{path.name}")
        path.replace(aside)
        warn(
            f"a damaged record of a finished or failed video is set aside as {escape(str(aside))}, "
            f"and the video is done again ({escape(reason)})"
        )

    def clear(self) -> None:
        """Drops all finished and failed videos: they are in the store now, and on the disk."""
        for folder in (self._finished, self._failed):
            for path in folder.iterdir():
                path.unlink()

    def _waiting(self) -> Iterator[tuple[str, str]]:
        """Number and key of each finished video."""
        # Names only: there may be thousands, and every claim lists them anew.
        for name in os.listdir(self._finished):
            if found := _FINISHED.fullmatch(name):
                yield found[1], found[2]


def _records(folder: Path) -> list[Path]:
    """All files but those that a process was writing when it died."""
    return sorted(path for path in folder.iterdir() if path.suffix != ".partial")


def _is_held(lock: FileLock) -> bool:
    """Whether another process holds a lock."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
