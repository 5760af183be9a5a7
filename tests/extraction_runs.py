"""Extractions with :mod:`mean_stream` in processes of their own, and what they tell and leave."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import mean_stream
import numpy as np

from seds_core.store.reader import StoreReader

SECONDS_A_VIDEO = 0.15


def start(store, index, log, *options, seconds=SECONDS_A_VIDEO):
    """Starts a run; its events go to a log, its messages to a file beside it."""
    command = [sys.executable, mean_stream.__file__, store, index, "--seconds", seconds, *options]
    with log.open("a") as events, messages_of(log).open("a") as messages:
        return subprocess.Popen(
            [str(part) for part in command],
            stdout=events, stderr=messages, env=os.environ | {"PYTHONPATH": ".:tests"},
        )  # fmt: skip


def messages_of(log):
    return log.with_suffix(".err")


def events(log, name):
    return [e for line in log.read_text().splitlines() if (e := json.loads(line))["event"] == name]


def wait_for(log, name, count=1):
    deadline = time.monotonic() + 60
    while len(events(log, name)) < count:
        assert time.monotonic() < deadline, f"no {name} event: {messages_of(log).read_text()}"
        time.sleep(0.01)


def rows_by_video(path):
    """Table entries, without the place of their rows, and the rows of each video."""
    store = StoreReader(path)
    return {
        video_id: (replace(entry, first_row=0), store.rows(video_id))
        for video_id, entry in store.videos.items()
    }


def assert_same_videos(one, other):
    """Equal to the bit, in whichever order."""
    ours, theirs = rows_by_video(one), rows_by_video(other)
    assert ours.keys() == theirs.keys()
    for video_id, (entry, rows) in ours.items():
        assert entry == theirs[video_id][0]
        for name, values in rows.items():
            np.testing.assert_array_equal(values, theirs[video_id][1][name], name)
