"""The table of failures: why videos are not in the store.

It grows at its end, like the table of videos. Of several entries of a video the last one counts,
and none does once the video is in the store: an entry tells how long the table of videos was when
it was made. An entry without a reason says that the failure is over.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields

import numpy as np

from seds_core.store.arrays import Columns, StoreArrays
from seds_core.store.layout import FAILURE_ARRAYS
from seds_core.store.records import FailedVideo
from seds_core.video_id import video_id_of


class FailureTable:
    """The failures that a store records."""

    def __init__(self, arrays: StoreArrays) -> None:
        """Reads what is recorded now, also in a store of an earlier version."""
        self._arrays = arrays
        commit = arrays.commit
        # Video -> its failure, and the length of the table of videos when it was recorded.
        self._recorded = {
            name: (FailedVideo(**failure), commit.num_videos)
            for name, failure in commit.failures.items()
        }
        self._num_read = 0
        self.look_again()

    def look_again(self) -> None:
        """Reads what has been recorded since."""
        commit = self._arrays.commit
        start = max(self._num_read, commit.first_failure)
        for failure, num_videos in read_failures(self._arrays, start, commit.num_failures):
            self._recorded[failure.video_id] = failure, num_videos
        self._num_read = commit.num_failures

    def current(self, place_of: Callable[[str], int]) -> dict[str, FailedVideo]:
        """Why videos are not in the store, by their ids.

        ``place_of`` gives a video's place in the table of videos, or -1.
        """
        return {
            name: failure
            for name, (failure, num_videos) in sorted(self._recorded.items())
            if failure.reason and place_of(name) < num_videos
        }


def read_failures(arrays: StoreArrays, start: int, stop: int) -> Iterator[tuple[FailedVideo, int]]:
    """Entries of the table: failures, and how long the table of videos was."""
    if start >= stop:
        return
    columns = {
        spec.name: arrays.read_column("failures", spec.name, start, stop).tolist()
        for spec in FAILURE_ARRAYS
    }
    lengths = columns.pop("num_videos")
    for number, num_videos in enumerate(lengths):
        values = {name: column[number] for name, column in columns.items()}
        values["video_id"] = video_id_of(values["video_id"])
        yield FailedVideo(**values), num_videos


def failure_columns(failures: Iterable[FailedVideo], num_videos: int) -> Columns:
    """Entries to append, of a store whose table of videos will have ``num_videos`` entries."""
    listed = list(failures)
    columns = {
        part.name: [np.array([storable(getattr(f, part.name)) for f in listed], object)]
        for part in fields(FailedVideo)
    }
    return columns | {"num_videos": [np.full(len(listed), num_videos, np.int64)]}


def over(video_id: str) -> FailedVideo:
    """An entry that says that a video's failure is over."""
    return FailedVideo(video_id, path="", reason="")


def storable(text: str) -> str:
    """A path as a store can hold it: its texts are UTF-8, and a path need not be."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
