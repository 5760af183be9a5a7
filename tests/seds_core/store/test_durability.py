"""What is on the disk before the only other copy goes: also after a power cut or a kill."""

import errno
import os
import re
import shutil
from pathlib import Path

import pytest
from finished_videos import RGB, finished, problems_of

from seds_core.store.commit import StoreRoot
from seds_core.store.reader import StoreReader
from seds_core.store.records import FailedVideo
from seds_core.store.writer import BulkWriter, RecordWriter, StoreWriter


@pytest.fixture
def events(monkeypatch):
    """What happens to files, in order: (what, path)."""
    found = []
    fsync, replace, unlink = os.fsync, Path.replace, Path.unlink

    def synced(descriptor):
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        # What several processes may write at once has an unfinished name of its own.
        found.append(("fsync", Path(re.sub(r"\.[0-9a-f]{32}\.partial$", ".partial", name))))
        fsync(descriptor)

    def replaced(path, target):
        found.append(("replace", Path(target)))
        return replace(path, target)

    def unlinked(path, **options):
        found.append(("unlink", path))
        unlink(path, **options)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(Path, "unlink", unlinked)
    return found


@pytest.mark.parametrize("kind", ["finished", "failed"])
def test_a_record_is_on_the_disk_when_it_is_written(tmp_path, events, kind):
    records = RecordWriter(tmp_path / "s.zarr", RGB)
    if kind == "finished":
        records.finish(finished("a"))
    else:
        records.fail(FailedVideo.now("a", "a.mp4", "empty"))
    [path] = (tmp_path / "s.zarr.staging" / kind).iterdir()
    (synced, unfinished), *then = [event for event in events if event[0] != "unlink"]
    assert synced == "fsync"
    assert unfinished.name.startswith(path.name)
    assert then == [("replace", path), ("fsync", path.parent)]


def test_rows_table_and_commit_are_on_the_disk_before_staging_is_cleared(tmp_path, events):
    path = tmp_path / "s.zarr"
    for video_id in ("a", "b"):  # the second pack replaces the files of the first
        with StoreWriter(path, RGB) as writer:
            writer.want([video_id])
            writer.finish(finished(writer.claim()))
            events.clear()
            writer.pack()
        steps = [(what, file.relative_to(tmp_path).as_posix()) for what, file in events]
        order = [
            last(steps, "fsync", "s.zarr/rows/features/c/0/0.partial"),
            last(steps, "fsync", "s.zarr/videos/video_id/c/0.partial"),
            last(steps, "replace", "s.zarr/videos/video_id/c/0"),
            last(steps, "fsync", "s.zarr/videos/video_id/c"),
            last(steps, "fsync", "s.zarr/zarr.json.partial"),
            last(steps, "replace", "s.zarr/zarr.json"),
            last(steps, "fsync", "s.zarr"),
            *(i for i, step in enumerate(steps) if step[1].endswith(".npz")),
        ]
        assert len(order) == 8
        assert order == sorted(order)
        assert ("fsync", "s.zarr/rows/features/c/0") in steps


def last(steps, what, name):
    return max(i for i, step in enumerate(steps) if step == (what, name))


def test_every_file_of_a_new_store_is_on_the_disk_before_it_appears(tmp_path, events):
    with StoreWriter(tmp_path / "s.zarr", RGB):
        pass
    synced = {file for what, file in events if what == "fsync"}
    creating = tmp_path / "s.zarr.creating"
    names = {path.relative_to(tmp_path / "s.zarr") for path in (tmp_path / "s.zarr").rglob("*")}
    assert {creating / name for name in names} | {creating, tmp_path} <= synced


def test_a_file_is_replaced_and_not_written_over(tmp_path):
    """Who has opened the old one reads it to its end."""
    path = tmp_path / "s.zarr"
    for video_id in ("a", "b"):
        with BulkWriter(path, RGB) as writer:
            if video_id == "b":
                shard = (path / "rows" / "features" / "c" / "0" / "0").open("rb")
                before = shard.read()
            writer.add(finished(video_id))
    shard.seek(0)
    assert shard.read() == before
    shard.close()


def test_a_full_disk_says_which_file_it_was(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with StoreWriter(tmp_path / "s.zarr", RGB) as writer:
        writer.want(["a"])
        video = finished(writer.claim())
        with monkeypatch.context() as full_disk:
            full_disk.setattr(os, "fsync", full)
            with pytest.raises(OSError, match=r"No space left.*s\.zarr\.staging/finished/.*npz"):
                writer.finish(video)
    assert not (tmp_path / "s.zarr.staging").exists()


def test_killed_at_any_step_of_a_pack_nothing_looks_damaged(tmp_path):
    """A process that extends the store ends before its n-th change to a file, for many n."""
    whole = tmp_path / "whole.zarr"
    with BulkWriter(whole, RGB) as writer:
        writer.add(finished("a"))
    step, ended = 0, False
    while not ended:
        path = tmp_path / "s.zarr"
        for folder in (path, tmp_path / "s.zarr.staging"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, path)
        for _ in range(2):  # the second one finds what the first has left
            ended = dies_at(step, path)
        assert problems_of(path) == [], step
        assert list(StoreReader(path).videos) in (["a"], ["a", "b"]), step
        step += 13
    assert list(StoreReader(path).videos) == ["a", "b"]


def dies_at(step, path):
    """Whether a process that adds a video came to its end before it had taken so many steps."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try:
        left = [step]

        def counted(function):
            def call(*arguments, **options):
                if not left[0]:
                    os._exit(9)
                left[0] -= 1
                return function(*arguments, **options)

            return call

        os.fsync = counted(lambda descriptor: None)
        Path.replace = counted(Path.replace)
        with BulkWriter(path, RGB) as writer:
            writer.add(finished("b"))
        os._exit(0)
    finally:
        os._exit(1)


def test_what_an_import_left_is_no_damage_after_a_commit_of_other_files(tmp_path, monkeypatch):
    path = tmp_path / "s.zarr"
    with BulkWriter(path, RGB) as writer:
        writer.add(finished("a"))

    def die(root, commit):
        raise KeyboardInterrupt

    monkeypatch.setattr(StoreRoot, "write", die)
    with pytest.raises(KeyboardInterrupt), BulkWriter(path, RGB) as writer:
        writer.add(finished("b"))
    monkeypatch.undo()
    with BulkWriter(path, RGB) as writer:
        writer.fail(FailedVideo.now("c", "c.mp4", "it is empty"))
    assert problems_of(path) == []
    assert list(StoreReader(path).videos) == ["a"]
    with BulkWriter(path, RGB) as writer:
        writer.add(finished("b"))
    assert problems_of(path) == []
    assert list(StoreReader(path).videos) == ["a", "b"]
    assert not (path / "replacing.json").exists()
