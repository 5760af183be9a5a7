"""What of a list of videos is still to be done: what a store lacks, and what has changed since."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from extract.videos.listing import ListedVideo
from extract.videos.part import VideoError, read_part_name
from extract.videos.source_identity import part_hash, quick_look
from seds_core.store.reader import StoreReader, VideoEntry


@dataclass(frozen=True)
class Plan:
    """The videos to extract, in order, and how many are in the store as they are."""

    missing: tuple[ListedVideo, ...]
    changed: tuple[ListedVideo, ...]
    num_there: int

    @property
    def todo(self) -> tuple[ListedVideo, ...]:
        """Missing and changed videos."""
        return self.missing + self.changed


def plan_run(videos: tuple[ListedVideo, ...], entries: Mapping[str, VideoEntry]) -> Plan:
    """Compares the videos with those in a store."""
    missing = tuple(video for video in videos if video.video_id not in entries)
    changed = tuple(
        video
        for video in videos
        if video.video_id in entries and has_changed(video, entries[video.video_id])
    )
    return Plan(missing, changed, len(videos) - len(missing) - len(changed))


def is_all_there(videos: tuple[ListedVideo, ...], entries: Mapping[str, VideoEntry]) -> bool:
    """Whether a plan would have nothing to do; looks no further than the first that it would."""
    return all(video.video_id in entries for video in videos) and not any(
        has_changed(video, entries[video.video_id]) for video in videos
    )


def has_changed(video: ListedVideo, entry: VideoEntry) -> bool:
    """Whether a video is another than the one extracted.

    Another part of the same recording is another video. Size and time of the source settle the rest
    cheaply when they are equal; otherwise the content decides. A source that cannot be looked at,
    or has a problem, counts as changed, so that the run meets it and reports it.
    """
    _, extracted_part = read_part_name(entry.path)
    if video.problem or video.part != extracted_part:
        return True
    try:
        look = quick_look(video.path)
        if look.fits(entry.size_bytes, entry.mtime_ns):
            return False
        if look.size_bytes != entry.size_bytes:
            return True
        return part_hash(video.path, video.part) != entry.content_hash
    except (OSError, VideoError):
        return True


def entries_of(store_path: Path) -> Mapping[str, VideoEntry]:
    """What is in a store that may not exist yet, without touching it."""
    return StoreReader(store_path).videos if store_path.exists() else {}
