"""From anywhere it can be seen who works on a store, on what, and how far they are."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from finished_videos import RGB, finished

from extract.inspection.status import StoreStatus, look_at, show_status
from seds_core.errors import UsageError
from seds_core.store.records import FailedVideo
from seds_core.store.writer import StoreWriter
from seds_core.store.writer_state import InHand, TimedVideo, WriterSeen, WriterState

BEGAN = 1_000_000.0


def writer(command="seds-extract pose", done=0, wanted=100, *, is_alive=True, **state):
    values = {"host": "node7", "pid": 12, "device": "cuda", "started": BEGAN} | state
    made = WriterState(command=command, num_wanted=wanted, num_finished=done, **values)
    return WriterSeen(made, 5.0, is_alive)


@pytest.fixture
def at_105_seconds(monkeypatch):
    monkeypatch.setattr("extract.inspection.status.time.time", lambda: BEGAN + 105)


def status(*writers):
    return StoreStatus("s.zarr", 0, 0, {}, writers)


@pytest.mark.usefixtures("at_105_seconds")
def test_writers_of_one_command_share_a_list():
    shared = status(writer(done=20), writer(done=30, wanted=90))
    assert shared.num_left == 50  # of the 100 that the first one found
    assert shared.seconds_left == pytest.approx(50 / 0.5)  # 50 in the 100 seconds until it was seen


@pytest.mark.usefixtures("at_105_seconds")
def test_parts_of_an_array_job_have_lists_of_their_own():
    parts = status(writer("pose --part 0/2", done=90), writer("pose --part 1/2", done=10))
    assert parts.num_left == 100
    assert parts.seconds_left == pytest.approx(90 / 0.1)  # the slower of the two


@pytest.mark.usefixtures("at_105_seconds")
def test_the_dead_do_no_work_and_failures_are_done():
    found = status(writer(done=50, num_failed=10), writer(done=40, is_alive=False))
    assert found.num_left == 40
    assert status(writer(is_alive=False)).num_left is None
    assert status(writer(is_alive=False)).seconds_left is None
    assert status(writer(done=0)).seconds_left is None


def test_a_store_at_rest(tmp_path, capsys):
    with StoreWriter(tmp_path / "s.zarr", RGB) as store:
        store.want(["a", "b"])
        store.finish(finished(store.claim()))
        store.fail(FailedVideo.now(store.claim(), "b.mp4", "empty [file]"))
    found = look_at(tmp_path / "s.zarr")
    assert (found.num_videos, found.num_waiting, found.writers) == (1, 0, ())
    assert found.failures == {"b": "empty [file]"}
    show_status(tmp_path / "s.zarr", watch=False, as_json=False)
    told = capsys.readouterr().out
    assert "0 at work" in told
    assert "empty [file]" in told
    with pytest.raises(UsageError, match="no store"):
        look_at(tmp_path / "none.zarr")


def test_a_writer_is_seen_from_outside(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("seds_core.store.liveness.HEARTBEAT_SECONDS", 0.05)
    with StoreWriter(tmp_path / "s.zarr", RGB) as store:
        store.want(["a"])
        store.finish(finished(store.claim()))
        store.state = replace(
            store.state,
            num_wanted=9,
            num_finished=1,
            in_hand=(InHand("[red]video[/]", time.time() - 90.0),),
            slowest=(TimedVideo("slow", 12.5),),
        )
        deadline = time.monotonic() + 30
        while (seen := look_at(tmp_path / "s.zarr").writers[0]).state.num_wanted != 9:
            assert time.monotonic() < deadline
        assert seen.is_alive
        assert (seen.state.host, seen.state.pid) == (os.uname().nodename, os.getpid())
        show_status(tmp_path / "s.zarr", watch=False, as_json=True)
        values = json.loads(capsys.readouterr().out)
        assert values["left"] == 8
        assert values["writers"][0]["in_hand"][0]["video_id"] == "[red]video[/]"
        show_status(tmp_path / "s.zarr", watch=False, as_json=False)
        told = capsys.readouterr().out
        row = next(line for line in told.splitlines() if "[red]video[/]" in line)
        assert "90 s" in row
        assert str(os.getpid()) in row
        assert "slow" in told
    assert look_at(tmp_path / "s.zarr").writers == ()


def test_a_killed_run_is_seen_as_dead_by_name(tmp_path):
    store = tmp_path / "rgb.zarr"
    program = (
        "import sys, time; from finished_videos import RGB, finished;"
        "from seds_core.store.writer import StoreWriter;"
        "writer = StoreWriter(sys.argv[1], RGB).__enter__(); writer.want(['a', 'b']);"
        "writer.finish(finished(writer.claim())); writer.claim();"
        "print('at work', flush=True); time.sleep(300)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(store)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": ".:tests"},
    ) as process:
        process.stdout.readline()
        assert [w.is_alive for w in look_at(store).writers] == [True]
        process.send_signal(signal.SIGKILL)
        process.wait()
    [dead] = look_at(store).writers
    assert not dead.is_alive
    assert dead.state.pid == process.pid
    assert look_at(store).num_waiting == 1
