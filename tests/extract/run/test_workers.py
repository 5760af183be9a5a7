"""Runs of several workers, with real processes: what dies costs at most what it had in hand."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from extraction_runs import assert_same_videos, events, messages_of, start, wait_for

from seds_core.store.reader import StoreReader

TWO = ("--devices", "cpu:2")


def children(pid):
    """Python processes that a process has started, without multiprocessing's own tracker."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return [child for child in found if b"spawn_main" in _command(child)]


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def whole(run, tmp_path):
    """What one process makes."""
    store = tmp_path / "whole.zarr"
    assert run(store=store)[0] == 0
    return store


def test_a_killed_worker_costs_nothing_and_leaves_no_decoder(corpus, whole, tmp_path):
    store, log = tmp_path / "rgb.zarr", tmp_path / "run.log"
    run = start(store, corpus.index, log, *TWO, seconds=0.3)
    wait_for(log, "finished")
    worker = next(worker for worker in children(run.pid) if children(worker))
    orphans = children(worker)
    os.kill(worker, signal.SIGKILL)
    assert run.wait(timeout=120) == 0
    assert wait_for_the_end(orphans)
    [lost] = events(log, "worker_lost")
    assert "SIGKILL" in lost["reason"]
    [summary] = events(log, "summary")
    assert (summary["finished"], summary["failed"]) == (6, [])
    assert_same_videos(whole, store)


def wait_for_the_end(processes):
    """Whether all have ended a few seconds from now."""
    deadline = time.monotonic() + 20
    while any(_command(pid) for pid in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_killed_driver_leaves_no_process_and_the_next_goes_on(corpus, whole, tmp_path):
    store, log = tmp_path / "rgb.zarr", tmp_path / "run.log"
    run = start(store, corpus.index, log, *TWO, seconds=0.3)
    wait_for(log, "finished")
    workers = children(run.pid)
    processes = workers + [decoder for worker in workers for decoder in children(worker)]
    assert len(workers) == 2
    assert len(processes) >= 4
    run.kill()
    run.wait()
    assert wait_for_the_end(processes)
    assert start(store, corpus.index, log, *TWO, seconds=0).wait(timeout=120) == 0
    done = Counter(event["video_id"] for event in events(log, "finished"))
    # What a worker had written when the driver died is not done again, though nobody was told.
    assert set(done.values()) == {1}
    assert_same_videos(whole, store)


def test_a_video_that_kills_two_workers_has_failed_and_the_others_have_not(corpus, tmp_path):
    store, log = tmp_path / "rgb.zarr", tmp_path / "run.log"
    run = start(store, corpus.index, log, *TWO, "--die-of", "video3", seconds=0)
    assert run.wait(timeout=120) == 3
    [summary] = events(log, "summary")
    [failure] = summary["failed"]
    assert failure["video_id"] == "video3"
    assert "two workers" in failure["reason"]
    assert len(events(log, "worker_lost")) == 2
    assert sorted(StoreReader(store).videos) == [v for v in corpus.ids if v != "video3"]
    assert list(StoreReader(store).failures) == ["video3"]


def test_a_video_that_never_ends_fails_when_its_time_is_up(corpus, tmp_path):
    """On one device too, which then has a worker."""
    store, log = tmp_path / "rgb.zarr", tmp_path / "run.log"
    limit = ("--hang-on", "video2", "--video-timeout", "5")
    assert start(store, corpus.index, log, *limit, seconds=0).wait(timeout=120) == 3
    [failure] = events(log, "summary")[0]["failed"]
    assert failure["video_id"] == "video2"
    assert "run.video_timeout" in failure["reason"]
    assert sorted(StoreReader(store).videos) == [v for v in corpus.ids if v != "video2"]


def test_a_device_that_is_not_there_is_told_in_a_sentence(corpus, tmp_path):
    log = tmp_path / "run.log"
    run = start(tmp_path / "rgb.zarr", corpus.index, log, "--devices", "cpu,cuda:7")
    assert run.wait(timeout=120) != 0
    assert "UsageError: there is no cuda:7" in messages_of(log).read_text()


def test_a_stopped_driver_ends_its_workers_and_keeps_what_is_finished(corpus, tmp_path):
    store, log = tmp_path / "rgb.zarr", tmp_path / "run.log"
    run = start(store, corpus.index, log, *TWO, seconds=0.3)
    wait_for(log, "finished")
    workers = children(run.pid)
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=60) == 130
    assert wait_for_the_end(workers)
    messages = messages_of(log).read_text()
    assert "the same command goes on" in messages
    assert "Traceback" not in messages
    done = {event["video_id"] for event in events(log, "finished")}
    assert done <= set(StoreReader(store).videos)
