"""Killing, stopping and doubling a run, with processes of its own."""

import random
import signal
import time
from collections import Counter

import numpy as np
import pytest
from extraction_runs import events, messages_of, start, wait_for

from seds_core.store.reader import StoreReader


def contents(path):
    store = StoreReader(path)
    arrays = {
        s.name: store.arrays.read_rows(s.name, 0, store.num_rows) for s in store.arrays.row_specs
    }
    return list(store.videos.values()), arrays


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been(corpus, tmp_path):
    whole, killed = tmp_path / "whole.zarr", tmp_path / "killed.zarr"
    assert start(whole, corpus.index, tmp_path / "whole.log").wait() == 0
    log = tmp_path / "killed.log"
    moments = random.Random(0)
    for kill in range(3):
        run = start(killed, corpus.index, log)
        wait_for(log, "started", len(events(log, "started")) + 1)
        time.sleep(moments.uniform(0.0, 0.4))
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, f"kill {kill} came too late"
    assert start(killed, corpus.index, log).wait() == 0
    done = Counter(event["video_id"] for event in events(log, "finished"))
    assert set(done.values()) == {1}
    assert_equal(whole, killed)


def assert_equal(one, other):
    entries, arrays = contents(one)
    other_entries, other_arrays = contents(other)
    assert entries == other_entries
    for name, values in arrays.items():
        np.testing.assert_array_equal(values, other_arrays[name], name)


def test_two_processes_share_one_store(corpus, tmp_path):
    store, logs = tmp_path / "rgb.zarr", [tmp_path / f"{number}.log" for number in range(2)]
    leaving = start(store, corpus.index, logs[0])
    waiting = start(store, corpus.index, logs[1], "--wait")
    assert leaving.wait() in (0, 4)  # 4 where the other is still at work
    assert waiting.wait() == 0
    done = [event["video_id"] for log in logs for event in events(log, "finished")]
    assert sorted(done) == corpus.ids
    assert sorted(StoreReader(store).videos) == corpus.ids


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_ends_cleanly_and_says_how_to_go_on(corpus, tmp_path, number):
    store, log = tmp_path / "rgb.zarr", tmp_path / "run.log"
    run = start(store, corpus.index, log)
    wait_for(log, "finished")
    run.send_signal(number)
    assert run.wait(timeout=60) == 130
    messages = messages_of(log).read_text()
    assert "the same command goes on" in messages
    assert "Traceback" not in messages
    done = [event["video_id"] for event in events(log, "finished")]
    assert list(StoreReader(store).videos) == done
    assert start(store, corpus.index, log, seconds=0).wait() == 0
    assert list(StoreReader(store).videos) == corpus.ids
