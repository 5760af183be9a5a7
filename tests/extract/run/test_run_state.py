"""What others see of a run while it goes on."""

import socket
import urllib.request

import pytest
from mean_stream import MeanStream
from prometheus_client.parser import text_string_to_metric_families

from extract.run.run_state import RunState
from extract.run.watching import WatchOptions


@pytest.fixture
def state():
    state = RunState()
    state.published = []
    state.begin(9, "cpu", state.published.append)
    return state


def test_videos_are_in_hand_from_start_to_end(state):
    for video_id in ("a", "b", "c", "d"):
        state("started", {"video_id": video_id})
    state("finished", {"video_id": "b", "frames": 40, "rows": 4, "seconds": 2.5})
    state("failed", {"video_id": "a", "path": "a.mp4", "reason": "empty"})
    state("broken", {"video_id": "d", "path": "d.mp4", "reason": "a driver"})
    last = state.published[-1]
    assert [video.video_id for video in last.in_hand] == ["c"]
    assert (last.num_wanted, last.num_finished, last.num_failed, last.num_frames) == (9, 1, 1, 40)
    assert last.device == "cpu"
    state("worker_lost", {"worker": "cpu:1", "reason": "killed", "videos": ["c"]})
    assert state.published[-1].in_hand == ()


def test_a_video_that_is_begun_again_is_in_hand_once(state):
    state("started", {"video_id": "a"})
    state("started", {"video_id": "a"})
    assert len(state.published[-1].in_hand) == 1


def test_the_slowest_videos_are_named(state):
    for number in (3.0, 9.0, 1.0, 7.0, 5.0, 8.0, 2.0):
        state("finished", {"video_id": f"v{number:g}", "frames": 1, "rows": 1, "seconds": number})
    slowest = [(video.video_id, video.seconds) for video in state.published[-1].slowest]
    assert slowest == [("v9", 9), ("v8", 8), ("v7", 7), ("v5", 5), ("v3", 3)]


class Reading(MeanStream):
    """Reads the metrics page whenever the network computes."""

    port = 0
    page = ""

    def rows(self, pieces):
        address = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            self.page = answer.read().decode()
        return super().rows(pieces)


def test_a_run_can_be_read_while_it_works(run):
    with socket.create_server(("127.0.0.1", 0)) as free:
        Reading.port = free.getsockname()[1]
    stream = Reading()
    code, _ = run(stream, watch=WatchOptions(metrics_port=str(Reading.port)))
    assert code == 0
    families = text_string_to_metric_families(stream.page)
    values = {s.name: s.value for family in families for s in family.samples}
    assert values["seds_run_videos_wanted"] == 6
    assert 1 <= values["seds_run_videos_in_hand"] <= 6
    assert values["seds_run_videos_finished_total"] + values["seds_run_videos_in_hand"] <= 6
    assert values["seds_run_started_seconds"] > 1.7e9
