"""How far a run is, as other machines and a metrics page see it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from seds_core.metrics_server import Figure
from seds_core.store.writer_state import InHand, TimedVideo, WriterState

NUM_SLOWEST = 5
"""Videos that are named because they took longest."""


class RunState:
    """Follows a run's events; gives its :class:`WriterState` to whoever publishes it."""

    def __init__(self) -> None:
        self.state = WriterState.of_this_process()
        self.num_rows = 0
        self._last_finished = 0.0
        self._publish: Callable[[WriterState], None] = lambda _: None
        # A run reports from several threads.
        self._lock = threading.Lock()

    def begin(self, num_wanted: int, device: str, publish: Callable[[WriterState], None]) -> None:
        """The run has found so many videos to do; ``publish`` gets every state from now on."""
        self._publish = publish
        self._change(num_wanted=num_wanted, device=device)

    def __call__(self, event: str, values: Mapping[str, Any]) -> None:
        """Takes an event of a :class:`~extract.run.report.RunReport`."""
        with self._lock:
            before, video_id, now = self.state, values.get("video_id"), time.time()
            others = tuple(video for video in before.in_hand if video.video_id != video_id)
            if event == "started":
                assert video_id is not None
                self._change(in_hand=(*others, InHand(video_id, now)))
            elif event == "finished":
                self.num_rows += values["rows"]
                self._last_finished = now
                self._change(
                    in_hand=others,
                    num_finished=before.num_finished + 1,
                    num_frames=before.num_frames + values["frames"],
                    slowest=_slowest(before, TimedVideo(values["video_id"], values["seconds"])),
                )
            elif event == "failed":
                self._change(in_hand=others, num_failed=before.num_failed + 1)
            elif event == "broken":
                self._change(in_hand=others)
            elif event == "worker_lost":
                lost = set(values["videos"])
                kept = tuple(video for video in before.in_hand if video.video_id not in lost)
                self._change(in_hand=kept)

    def figures(self) -> Iterator[Figure]:
        """For Prometheus."""
        state = self.state
        oldest = min((video.since for video in state.in_hand), default=None)
        yield from (
            Figure("seds_run_videos_wanted", "gauge", "Videos that the run found to do.",
                   state.num_wanted),
            Figure("seds_run_videos_finished_total", "counter", "Videos in the store.",
                   state.num_finished),
            Figure("seds_run_videos_failed_total", "counter", "Videos that failed.",
                   state.num_failed),
            Figure("seds_run_videos_in_hand", "gauge", "Videos being worked on.",
                   len(state.in_hand)),
            Figure("seds_run_oldest_in_hand_seconds", "gauge", "Age of the oldest of these.",
                   time.time() - oldest if oldest else 0.0),
            Figure("seds_run_frames_total", "counter", "Frames of finished videos.",
                   state.num_frames),
            Figure("seds_run_rows_total", "counter", "Rows of finished videos.", self.num_rows),
            Figure("seds_run_last_finished_seconds", "gauge",
                   "When the last video was finished, in seconds since 1970; 0 before.",
                   self._last_finished),
            Figure("seds_run_started_seconds", "gauge", "When the run began.", state.started),
        )  # fmt: skip

    def _change(self, **values: Any) -> None:  # noqa: ANN401 - fields of the state
        self.state = replace(self.state, **values)
        self._publish(self.state)


def _slowest(state: WriterState, video: TimedVideo) -> tuple[TimedVideo, ...]:
    slowest = sorted((*state.slowest, video), key=lambda video: -video.seconds)
    return tuple(slowest[:NUM_SLOWEST])
