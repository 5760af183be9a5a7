"""Disks that are full, bounded or read-only stop a command cleanly and break no store."""

import errno
import os
import resource
import signal
import sys

import disk_faults
import pytest
from disk_faults import error_of
from finished_videos import RGB, finished, problems_of
from in_namespace import in_namespace

from seds_core.store.reader import StoreReader
from seds_core.store.writer import StoreWriter


@pytest.mark.parametrize("way", ["extraction", "import"])
def test_a_full_disk_of_any_size(tmp_path, way):
    full, written = map(int, in_namespace(disk_faults.fill_disks, str(tmp_path), way).split())
    assert full >= 5
    assert written >= 3


@pytest.mark.parametrize("way", ["extraction", "import"])
def test_a_read_only_disk(tmp_path, way):
    told = in_namespace(disk_faults.write_read_only, str(tmp_path), way)
    assert "Read-only file system" in told
    assert str(tmp_path) in told


def in_child(action):
    """Whether an action in a child process has raised nothing."""
    sys.stdout.flush()
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try:
        action()
        os._exit(0)
    finally:
        os._exit(1)


@pytest.mark.parametrize("limit", [100, 2_000, 5_000, 9_000])
def test_a_limit_of_the_system_on_the_size_of_files(tmp_path, limit):
    """As a quota, but one that the kernel enforces for any user."""
    store = tmp_path / "s.zarr"

    def write_with_limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        assert error_of(write, store).errno == errno.EFBIG

    assert in_child(write_with_limit)
    if store.exists():
        assert problems_of(store) == []
    write(store)
    assert list(StoreReader(store).videos) == ["a"]
    assert problems_of(store) == []


def write(store):
    with StoreWriter(store, RGB) as writer:
        writer.want({"a"} - writer.videos.keys())
        if (video_id := writer.claim()) is not None:
            writer.finish(finished(video_id, num_rows=300))


def test_folders_that_may_not_be_written(tmp_path):
    folder = tmp_path / "stores"
    folder.mkdir()
    write(folder / "s.zarr")

    def write_as_somebody_else():
        if os.geteuid() == 0:
            os.setgid(65_534)
            os.setuid(65_534)
        error = error_of(StoreWriter, folder / "s.zarr", RGB)
        assert error.errno == errno.EACCES
        assert "s.zarr" in str(error.filename)
        assert list(StoreReader(folder / "s.zarr").videos) == ["a"]

    for parent in (tmp_path, *tmp_path.parents):  # may be entered by all, as far as they are ours
        if parent.stat().st_uid == os.getuid() and parent != parent.parent:
            parent.chmod(parent.stat().st_mode | 0o055)
    folder.chmod(0o555)
    try:
        assert in_child(write_as_somebody_else)
    finally:
        folder.chmod(0o755)


def test_a_clock_that_goes_back(tmp_path):
    """Everything there is of the future, since an earlier run's clock was ahead."""
    store = tmp_path / "s.zarr"
    write(store)
    writer = StoreWriter(store, RGB)
    with writer:
        writer.want(["b"])
        writer.finish(finished(writer.claim()))
        for path in tmp_path.rglob("*"):
            os.utime(path, (4e9, 4e9))
        writer.want(["c"])
        writer.finish(finished(writer.claim()))
    assert sorted(StoreReader(store).videos) == ["a", "b", "c"]
    assert problems_of(store) == []
