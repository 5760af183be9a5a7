"""Writers that die: seen at once where there are locks, by their heartbeats elsewhere."""

import errno
import os
import pickle
import signal
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
from filelock import Timeout
from finished_videos import RGB, finished

from seds_core.errors import UsageError
from seds_core.store import liveness
from seds_core.store.liveness import DEAD_SECONDS, FORCED, MARK, unseen_locks
from seds_core.store.reader import StoreReader
from seds_core.store.staging import Staging, StoreInUseError, read_writers
from seds_core.store.writer import BulkWriter, StoreWriter
from seds_core.store.writer_state import InHand, WriterState


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.zarr"


@pytest.fixture
def heartbeats(monkeypatch):
    monkeypatch.setenv(FORCED, "1")
    monkeypatch.setattr(liveness, "_SECONDS_BETWEEN_LOOKS", 0.0)


def grow_old(path, seconds):
    """Puts back the time of all heartbeats."""
    for beat in path.with_name("s.zarr.staging").glob("writers/*.json"):
        before = beat.stat().st_mtime - seconds
        os.utime(beat, (before, before))


def abandoned(path, video_id):
    """A writer that has claimed a video and is heard of no more; its process stays."""
    staging = Staging(path)
    assert staging.claim(video_id)
    staging._heart.stop()
    return staging


@pytest.mark.parametrize(("silence", "taken"), [(DEAD_SECONDS - 5, None), (DEAD_SECONDS + 5, "a")])
def test_a_claim_is_void_when_heartbeats_stay_away(path, heartbeats, silence, taken):
    other = abandoned(path, "a")
    grow_old(path, silence)
    with StoreWriter(path, RGB) as writer:
        writer.want(["a"])
        assert writer.claim() == taken
        assert writer.in_other_hands == (taken is None)
        assert other.claim("a") is False


def test_a_heartbeat_from_the_future_is_dead_when_it_stands_still(path, heartbeats, monkeypatch):
    """The clock of a file server may be put back."""
    abandoned(path, "a")
    grow_old(path, -3600)
    with StoreWriter(path, RGB) as writer:
        writer.want(["a"])
        assert writer.claim() is None
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + DEAD_SECONDS + 1)
        assert writer.claim() == "a"


def test_a_dead_packers_lock_is_taken_over_and_stays_with_the_next(path, heartbeats):
    dead = abandoned(path, "a")
    packing = dead.lock()
    packing.__enter__()
    grow_old(path, DEAD_SECONDS + 5)
    with Staging(path) as living, living.lock():
        lock = path.with_name("s.zarr.staging") / "lock"
        held = lock.read_text()
        packing.__exit__(None, None, None)  # it was only slow, and comes to its end
        assert lock.read_text() == held
        with Staging.lock(dead, wait=False) as is_inside:
            assert not is_inside


def test_an_import_that_died_keeps_nobody_out(path, heartbeats):
    dead = Staging(path, alone=True)
    dead._heart.stop()
    with pytest.raises(StoreInUseError):
        StoreWriter(path, RGB)
    grow_old(path, DEAD_SECONDS + 5)
    with StoreWriter(path, RGB) as writer:
        writer.want(["a"])
        writer.finish(finished(writer.claim()))
        with pytest.raises(StoreInUseError):
            BulkWriter(path, RGB)
    with BulkWriter(path, RGB) as importing:
        importing.add(finished("b"))
    assert list(StoreReader(path).videos) == ["a", "b"]


def test_no_two_processes_are_inside_without_locks(path, heartbeats):
    count = path.with_name("count")
    count.write_text("0")
    children = []
    for _ in range(3):
        if child := os.fork():
            children.append(child)
            continue
        with Staging(path) as staging:
            for _ in range(20):
                with staging.lock():
                    count.write_text(str(int(count.read_text()) + 1))
        os._exit(0)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert count.read_text() == "60"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOLCK, "No locks available"), "No locks available"),
        (Timeout("trial"), "cannot be had"),
    ],
)
def test_without_locks_it_is_said_once(path, capsys, monkeypatch, error, reason):
    class NoLocks:
        def __init__(self, lock_file, **_):
            self.lock_file = lock_file

        def acquire(self, **_):
            raise error

    monkeypatch.setattr(liveness, "FileLock", NoLocks)
    with StoreWriter(path, RGB) as first, StoreWriter(path, RGB) as second:
        told = capsys.readouterr().err.replace("\n", " ")
        assert reason in told
        assert told.count("heartbeats") == 1
        first.want(["a", "b"])
        second.want(["a", "b"])
        assert (first.claim(), second.claim()) == ("a", "b")
        first.finish(finished("a"))
        second.finish(finished("b"))
    assert sorted(StoreReader(path).videos) == ["a", "b"]
    assert (path.with_name("s.zarr.staging") / MARK).is_file()


def test_heartbeats_do_not_mix_with_locks(path, monkeypatch):
    with StoreWriter(path, RGB) as by_lock:
        monkeypatch.setenv(FORCED, "1")
        with pytest.raises(UsageError, match=r"other writers go by locks.*SEDS_HEARTBEATS is set"):
            StoreWriter(path, RGB)
        by_lock.want(["a"])
        by_lock.finish(finished(by_lock.claim()))
    with StoreWriter(path, RGB) as writer:
        assert list(writer.videos) == ["a"]


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        ("server:/data {} nfs4 rw,vers=4.2,local_lock=none 0 0", None),
        ("server:/data {} nfs rw,nolock,local_lock=all 0 0", "local_lock=all, nolock"),
        ("lustre {} lustre rw,localflock 0 0", "localflock"),
        ("host:/home {} fuse.sshfs rw 0 0", "by sshfs, which locks on one machine only"),
        ("/dev/sda1 {} ext4 rw 0 0", None),
    ],
)
def test_locks_that_other_machines_do_not_see(tmp_path, mount, reason):
    table = f"/dev/root / ext4 rw 0 0\n{mount.format(tmp_path)}\n"
    told = unseen_locks(tmp_path / "s.zarr.staging", table)
    assert (told is None) if reason is None else reason in told
    assert unseen_locks(Path("/elsewhere"), table) is None


def write_records(records, video_ids):
    for video_id in video_ids:
        records.finish(finished(video_id))


def test_another_process_writes_the_records(path):
    with StoreWriter(path, RGB, pack_rows=4) as writer:
        writer.want(["a", "b", "c"])
        claimed = [writer.claim(), writer.claim()]
        records = pickle.loads(pickle.dumps(writer.records()))
        process = get_context("spawn").Process(target=write_records, args=(records, claimed))
        process.start()
        process.join()
        assert process.exitcode == 0
        assert not StoreReader(path).videos
        for video_id in claimed:
            writer.recorded(video_id, 3)
        assert list(StoreReader(path).videos) == claimed  # six rows make a pack
        assert writer.claim() == "c"
        assert writer.claim() is None


def test_what_writers_are_at_is_seen_by_others(path, monkeypatch):
    monkeypatch.setattr(liveness, "HEARTBEAT_SECONDS", 0.05)
    assert read_writers(path) == []
    child = os.fork()
    if child == 0:
        dying = StoreWriter(path, RGB)
        dying.state = WriterState("node7", 1, "rgb", "cuda", 5.0, in_hand=(InHand("x", 6.0),))
        time.sleep(60)
    with StoreWriter(path, RGB):
        seen = wait_for(path, lambda seen: {w.state.host for w in seen} >= {"node7"})
        assert all(writer.is_alive for writer in seen)
        assert len(seen) == 2
        [told] = [writer.state for writer in seen if writer.state.host == "node7"]
        assert told.in_hand == (InHand("x", 6.0),)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert sorted(w.is_alive for w in read_writers(path)) == [False, True]
    assert read_writers(path) == []


def wait_for(path, is_right):
    for _ in range(200):
        if is_right(seen := read_writers(path)):
            return seen
        time.sleep(0.05)
    raise AssertionError(seen)
