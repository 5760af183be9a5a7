"""Deletes videos from an index: at once for those who search, for good when it is made compact."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search.index.part import open_parts
from search.index.writer import open_writer
from seds_core.errors import UsageError, first_names
from seds_core.video_id import video_id_of


class VideosNotInIndexError(UsageError):
    """Videos to delete that an index does not have; nothing has been deleted."""


@dataclass(frozen=True)
class DeleteResult:
    """What has been deleted."""

    num_videos: int
    num_entries: int
    """Those videos, or their windows."""


def delete_videos(path: Path, video_ids: Sequence[str]) -> DeleteResult:
    """Deletes videos, with all of their windows, from the parts of an index.

    Raises :class:`VideosNotInIndexError` before anything is deleted where one is not there.
    """
    wanted = list(dict.fromkeys(map(video_id_of, video_ids)))
    parts = open_parts([path])
    try:
        snapshots = [part.snapshot() for part in parts]
        there = {video: [s for s in snapshots if s.entries_of(video)] for video in wanted}
        missing = [video for video, found in there.items() if not found]
        if missing:
            raise VideosNotInIndexError(
                f"the index {path} has no video {first_names(missing)}; nothing was deleted. Ids "
                "are those of the data set's index"
            )
        num_entries = 0
        for snapshot in snapshots:
            own = [video for video, found in there.items() if snapshot in found]
            if own:
                with open_writer(snapshot.part) as writer:
                    num_entries += writer.delete(own)
    finally:
        for part in parts:
            part.close()
    return DeleteResult(len(wanted), num_entries)
