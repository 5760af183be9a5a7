"""Videos that a writer wants to claim, and which of them are done meanwhile."""

import random
from collections.abc import Iterable
from threading import Lock

from seds_core.store.arrays import StoreArrays
from seds_core.store.failures import read_failures
from seds_core.video_id import video_id_of

LONGEST_STEP = 1_024
"""Videos that are passed over at most, at once."""


class WantedVideos:
    """Goes through the videos in order, and past those that other writers have in growing steps.

    Writers that share a list move along it together: all before a certain place is taken, all
    behind it is free, and each of them is as far behind that place as there are others. A step
    that doubles with every video that is taken, and halves with every one that is not, finds the
    place in two or three attempts, however many writers there are. What a step has passed over
    comes in the next round, to which only videos go that are not done.
    """

    def __init__(self, video_ids: Iterable[str] = ()) -> None:
        self._ids = list(video_ids)
        self._at = 0
        self._step = 1
        self._passed_over: list[str] = []

    @property
    def candidate(self) -> str | None:
        """The video to try next; ``None`` at the end of the round."""
        return self._ids[self._at] if self._at < len(self._ids) else None

    def is_free(self) -> None:
        """The candidate could be claimed."""
        self._at += 1
        self._step = max(self._step // 2, 1)

    def is_taken(self) -> None:
        """The candidate is done, or in other hands."""
        stop = self._at + random.randint(1, self._step)
        self._passed_over += self._ids[self._at : stop]
        self._at = stop
        self._step = min(2 * self._step, LONGEST_STEP)

    def rest(self) -> list[str]:
        """At the end of a round, the videos that were passed over."""
        return self._passed_over


class DoneVideos:
    """Videos that any process has packed or failed at since this was made."""

    def __init__(self, arrays: StoreArrays) -> None:
        # Opened once more, as claims do not wait while another thread packs.
        self._arrays = arrays
        self._lock = Lock()
        self._num_entries = arrays.commit.num_videos
        # Failures of earlier runs are no reason to pass over a video; newer ones are.
        self._num_failures = arrays.commit.num_failures
        self._done: set[str] = set()

    def look(self) -> set[str]:
        """What is done by now."""
        with self._lock:
            commit = self._arrays.commit
            if commit.num_videos > self._num_entries:
                added = self._arrays.read_column(
                    "videos", "video_id", self._num_entries, commit.num_videos
                )
                self._done.update(map(video_id_of, added))
                self._num_entries = commit.num_videos
            for failure, _ in read_failures(self._arrays, self._num_failures, commit.num_failures):
                if failure.reason:
                    self._done.add(failure.video_id)
            self._num_failures = commit.num_failures
            return self._done
