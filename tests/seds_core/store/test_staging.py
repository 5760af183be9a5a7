"""What waits beside a store is checked like what is in it: by what made it, and byte by byte."""

import json
import os
import shutil
import threading
import traceback
from dataclasses import replace

import numpy as np
import pytest
from filelock import FileLock, Timeout
from finished_videos import RGB, finished, problems_of

from reference.stores_made_before import made_before
from seds_core.store.disk import DiskPlace
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader
from seds_core.store.records import FailedVideo, finished_record, video_key
from seds_core.store.repair import repair_store
from seds_core.store.staging import Staging, num_finished
from seds_core.store.writer import BulkWriter, RecordWriter, StoreWriter

OTHER = replace(RGB, weights=replace(RGB.weights, sha256="1" * 64))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.zarr"


def stage(path, video_ids, provenance=RGB):
    """Leaves finished videos behind, as a process that was killed does."""
    records = RecordWriter(path, provenance)
    for video_id in video_ids:
        records.finish(finished(video_id))
    return path.with_name("s.zarr.staging")


def test_rows_of_other_weights_are_dropped_and_it_is_said(path, capsys):
    stage(path, ["a", "b"], OTHER)
    stage(path, ["c"])
    assert num_finished(path) == 3
    with StoreWriter(path, RGB) as writer:
        assert list(writer.videos) == ["c"]
        writer.want(["a", "b", "c"])
        assert writer.claim() == "a"
    told = capsys.readouterr().err
    assert "2 finished videos" in told
    assert "other settings or weights" in told
    assert num_finished(path) == 0


def test_where_the_weights_lay_decides_nothing(path):
    stage(path, ["a"], replace(RGB, weights=replace(RGB.weights, source="elsewhere")))
    with BulkWriter(path, RGB) as writer:
        assert list(writer.videos) == ["a"]


def test_a_store_of_other_weights_is_refused(path):
    with StoreWriter(path, RGB):
        pass
    for writer in (StoreWriter, BulkWriter):
        with pytest.raises(StoreMismatchError, match=r"weights\.sha256: 0000.* / 1111"):
            writer(path, OTHER)


def test_records_that_do_not_say_what_made_them_are_dropped(path, capsys):
    staging = stage(path, ["b"])
    (staging / "finished" / f"{video_key('b')}.npz").unlink()
    source = json.dumps(vars(finished("a").source)).encode()
    np.savez(
        staging / "finished" / f"000000000-{video_key('a')}.npz",
        __source__=np.frombuffer(source, np.uint8),
        **finished("a").rows,
    )
    with StoreWriter(path, RGB) as writer:
        assert list(writer.videos) == []
    assert "1 finished videos" in (told := capsys.readouterr().err)
    assert "earlier version" in told


def empty(content):
    return b""


def halved(content):
    return content[: len(content) // 2]


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def garbage(content):
    return b"\x00" * len(content)


@pytest.mark.parametrize("damage", [empty, halved, flipped, garbage])
@pytest.mark.parametrize("kind", ["finished", "failed"])
def test_a_torn_record_is_set_aside_by_name_and_the_run_goes_on(path, capsys, kind, damage):
    staging = stage(path, ["a"])
    RecordWriter(path, RGB).fail(FailedVideo.now("f", "f.mp4", "no"))
    [record] = (staging / kind).iterdir()
    record.write_bytes(damage(record.read_bytes()))
    stage(path, ["b"])
    with StoreWriter(path, RGB) as writer:
        writer.want(["a", "b", "c"])
        while video_id := writer.claim():
            writer.finish(finished(video_id))
    assert sorted(StoreReader(path).videos) == ["a", "b", "c"]
    assert problems_of(path) == []
    if kind == "failed" and damage is flipped:  # one bit of a text may give another text
        return
    assert (staging / "quarantine" / record.name).is_file()
    assert record.name in capsys.readouterr().err.replace("\n", "")


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("foreign.npz", {}),
        (None, {"features": np.zeros((3, 9), np.float32)}),
        (None, {"features": np.zeros((3, 8))}),
        (None, {"more": np.zeros(3)}),
    ],
)
def test_a_foreign_record_is_set_aside(path, name, rows):
    staging = stage(path, ["b"])
    video = finished("a")
    name = name or f"000000007-{video_key('a')}.npz"
    content = finished_record(replace(video, rows=video.rows | rows), RGB.digest())
    (staging / "finished" / name).write_bytes(content)
    with BulkWriter(path, RGB) as writer:
        assert list(writer.videos) == ["b"]
    assert [p.name for p in (staging / "quarantine").iterdir()] == [name]


def test_a_claim_costs_the_same_whatever_is_done(path, monkeypatch):
    """It looks at files of the one video, and at the root of the store."""
    ids = [f"v{number:03}" for number in range(120)]
    with StoreWriter(path, RGB) as other:
        other.want(ids)
        for number in range(60):
            video_id = other.claim()
            other.finish(finished(video_id)) if number % 3 else other.fail(
                FailedVideo.now(video_id, "x.mp4", "empty")
            )
            if number == 30:
                other.pack()
        looks = []
        look, write = DiskPlace.look, DiskPlace.write
        monkeypatch.setattr(DiskPlace, "look", lambda p, n: looks.append(n) or look(p, n))
        monkeypatch.setattr(
            DiskPlace, "write", lambda p, n, c, **o: looks.append(n) or write(p, n, c, **o)
        )
        monkeypatch.setattr(DiskPlace, "names", None)
        assert other.claim() == "v060"
        monkeypatch.undo()
    key = video_key("v060")
    assert looks == [f"claims/{key}", f"finished/{key}.npz", f"failed/{key}.json", "zarr.json"]


def test_a_video_put_back_has_failed_no_longer(path):
    with StoreWriter(path, RGB) as writer:
        writer.want(["a", "b"])
        writer.finish(finished(writer.claim()))
        writer.fail(FailedVideo.now(writer.claim(), "b.mp4", "empty"))
    with StoreWriter(path, RGB) as writer:  # its source changed, and was put back
        writer.want(["a"])
        writer.fail(FailedVideo.now(writer.claim(), "a.mp4", "damaged"))
    assert sorted(StoreReader(path).failures) == ["a", "b"]
    with StoreWriter(path, RGB) as writer:
        writer.forget_failures(["a"])
    assert sorted(StoreReader(path).failures) == ["b"]


@pytest.mark.parametrize("writer", [StoreWriter, BulkWriter])
def test_nothing_is_left_beside_what_is_no_store(tmp_path, monkeypatch, writer):
    file = tmp_path / "notes.txt"
    file.write_text("hello")
    with pytest.raises(StoreMismatchError, match="is not a store"):
        writer(file, RGB)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreMismatchError, match="is not a store"):
        writer(type(tmp_path)("."), RGB)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    assert not tmp_path.with_name(f"{tmp_path.name}.staging").exists()


def test_the_working_directory_may_be_the_store(path, monkeypatch):
    with StoreWriter(path, RGB):
        pass
    monkeypatch.chdir(path)
    with BulkWriter(type(path)("."), RGB) as writer:
        writer.add(finished("a"))
    assert list(StoreReader(path).videos) == ["a"]


@pytest.mark.parametrize("kind", ["rgb", "pose"])
def test_a_store_made_before_opens_verifies_and_goes_on(tmp_path, kind):
    from reference.small_stores import POSE, pose_video, rgb_video
    from reference.small_stores import RGB as SMALL_RGB

    path = made_before(tmp_path, kind)
    store = StoreReader(path)
    assert list(store.videos) == ["a", "b", "c"]
    assert list(store.failures) == ["d"]
    assert problems_of(path) == []
    provenance, video = {"rgb": (SMALL_RGB, rgb_video), "pose": (POSE, pose_video)}[kind]
    with StoreWriter(path, provenance) as writer:
        writer.want(["d"])
        writer.claim()
        writer.finish(video("d", 9))
    after = StoreReader(path)
    assert list(after.videos) == ["a", "b", "c", "d"]
    assert after.failures == {}
    assert problems_of(path) == []
    for video_id, num_frames in {"a": 18, "b": 9, "c": 12, "d": 9}.items():
        for name, values in video(video_id, num_frames).rows.items():
            np.testing.assert_array_equal(after.rows(video_id)[name], values)


def test_the_last_writer_that_leaves_removes_an_empty_staging_folder(path):
    staging = path.with_name("s.zarr.staging")
    with StoreWriter(path, RGB) as first:
        with StoreWriter(path, RGB):
            pass
        assert staging.exists()
        first.want(["a"])
        first.claim()
        first.finish(finished("a"))
    assert not staging.exists()
    with BulkWriter(path, RGB) as writer:
        assert staging.exists()
        writer.add(finished("b"))
    assert not staging.exists()
    repair_store(path)
    assert not staging.exists()
    assert problems_of(path) == []


def test_a_staging_folder_with_something_in_it_stays(path):
    stage(path, ["a"])
    with Staging(path):
        pass
    assert num_finished(path) == 1
    (record,) = (path.with_name("s.zarr.staging") / "finished").iterdir()
    record.write_bytes(b"torn")
    with StoreWriter(path, RGB):
        pass
    assert [p.name for p in (record.parents[1] / "quarantine").iterdir()] == [record.name]


def test_no_two_processes_are_inside_while_others_remove_the_folder(path):
    """Each enters and leaves fifty times, and the last one each time removes the folder."""
    count = path.with_name("count")
    count.write_text("0")
    children = []
    for _ in range(3):
        if child := os.fork():
            children.append(child)
            continue
        try:
            for _ in range(50):
                with Staging(path) as staging, staging.lock():
                    count.write_text(str(int(count.read_text()) + 1))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert count.read_text() == "150"
    assert not path.with_name("s.zarr.staging").exists()


@pytest.mark.parametrize("attempt", [0, 1])
@pytest.mark.parametrize("error", [FileNotFoundError, FileExistsError, Timeout])
def test_a_folder_that_is_removed_under_a_lock_is_made_again(path, monkeypatch, attempt, error):
    """The trial of locks, and the lock."""
    acquire, attempts = FileLock.acquire, []

    def acquire_once_too_late(lock, **options):
        attempts.append(lock)
        if len(attempts) == attempt + 1:
            shutil.rmtree(path.with_name("s.zarr.staging"))
            raise error("s.zarr.staging")
        return acquire(lock, **options)

    monkeypatch.setattr(FileLock, "acquire", acquire_once_too_late)
    with Staging(path):
        assert len(attempts) > attempt + 1
        assert path.with_name("s.zarr.staging").is_dir()


def test_a_file_where_the_folder_has_to_be_is_named(path):
    path.with_name("s.zarr.staging").write_text("")
    with pytest.raises(NotADirectoryError, match=r"a folder has to be.*s\.zarr\.staging"):
        Staging(path)


def test_two_processes_are_never_in_a_store_at_once(path):
    """What a process does in a store waits until the other one has come out."""
    staging = Staging(path)
    inside, outside = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with Staging(path).lock():
            os.write(inside[1], b"1")
            os.read(outside[0], 1)
        os._exit(0)
    os.read(inside[0], 1)
    entered = threading.Event()

    def enter():
        with staging.lock():
            entered.set()

    threading.Thread(target=enter, daemon=True).start()
    entered_early = entered.wait(0.3)
    os.write(outside[1], b"1")  # whatever was found, the child is not left waiting
    os.waitpid(child, 0)
    assert not entered_early
    assert entered.wait(30)
    for descriptor in (*inside, *outside):
        os.close(descriptor)
