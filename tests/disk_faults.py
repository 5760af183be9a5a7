"""What a store's writers do on disks that are full or may not be written; run in a namespace."""

import errno
import subprocess
import sys
from pathlib import Path

from finished_videos import RGB, finished, problems_of
from in_namespace import mount

from extract.inspection.info import describe
from extract.inspection.verify import verify_store
from seds_core.store.reader import StoreReader
from seds_core.store.writer import BulkWriter, StoreWriter

IDS = ["a", "b", "c", "d"]


def write(store, way):
    """Writes the videos that the store lacks, with a writer of one kind."""
    if way == "import":
        with BulkWriter(store, RGB, pack_rows=600) as writer:
            for video_id in IDS:
                if video_id not in writer.videos:
                    writer.add(finished(video_id, num_rows=300))
        return
    with StoreWriter(store, RGB, pack_rows=600) as writer:
        writer.want(video_id for video_id in IDS if video_id not in writer.videos)
        while (video_id := writer.claim()) is not None:
            writer.finish(finished(video_id, num_rows=300))


def error_of(action, *arguments):
    """The error of the system that an action raises, which must say of which file it is."""
    try:
        action(*arguments)
    except OSError as error:
        found = error
    else:
        return None
    if found.filename is None:
        raise AssertionError("names no file") from found
    return found


def fill_disks(folder, way):
    """On a small disk of every size, writing stops with a full disk; with room it goes on."""
    disk, outcomes = Path(folder) / "disk", []
    disk.mkdir()
    for pages in range(1, 120, 6):
        mount("-t", "tmpfs", "-o", f"size={pages * 4}k", "tmpfs", disk)
        store = disk / "s.zarr"
        error = error_of(write, store, way)
        outcomes.append("full" if error else "written")
        assert error is None or error.errno == errno.ENOSPC, error
        # What is there is whole, and the same command goes on once there is room.
        if store.exists():
            assert problems_of(store) == []
        mount("-o", "remount,size=64m", disk)
        write(store, way)
        assert sorted(StoreReader(store).videos) == IDS
        assert problems_of(store) == []
        subprocess.run(["umount", disk], check=True)
    assert outcomes == sorted(outcomes), "it fits on a disk, and not on a larger one"
    sys.stdout.write(f"{outcomes.count('full')} {outcomes.count('written')}")


def write_read_only(folder, way):
    """A store on a disk that is mounted read-only can be read and is not written to."""
    store = Path(folder) / "s.zarr"
    write(store, "import")
    mount("--bind", folder, folder)
    mount("-o", "remount,bind,ro", folder)
    before = {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*")}
    assert describe(StoreReader(store))["videos"] == len(IDS)
    assert verify_store(store).problems == ()
    IDS.append("e")
    error = error_of(write, store, way)
    assert error.errno == errno.EROFS
    sys.stdout.write(str(error))
    assert {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*")} == before
