"""What a store has already of a list of videos, and what has changed since."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from extract.videos.listing import ListedVideo, VideoList
from extract.videos.part import VideoError, read_part_name
from extract.videos.source_identity import part_hash, quick_look
from seds_core.console import messages
from seds_core.store.layout import Provenance
from seds_core.store.reader import StoreReader, VideoEntry
from seds_core.store.staging import DamagedRecordError, read_finished, staging_folder


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


def has_everything(path: Path, videos: VideoList, asked: Provenance | None) -> bool:
    """Whether the store holds all videos, made as ``asked``, and no old failure of theirs.

    ``None`` stands for what only the loaded network tells. Raises ``StoreMismatchError`` where the
    store was made otherwise.
    """
    if asked is None or not path.exists():
        return False
    store = StoreReader(path)
    store.provenance.refuse_others(path, asked)
    have_failed = any(video.video_id in store.failures for video in videos.videos)
    return not have_failed and is_all_there(videos.videos, store.videos)


def waiting_videos(path: Path, made: Provenance) -> set[str]:
    """Finished videos that wait beside the store and are ``made`` alike; nothing is touched."""
    waiting = set()
    for record in (staging_folder(path) / "finished").glob("*.npz"):
        try:
            staged = read_finished(record)
        except DamagedRecordError:
            continue
        if made.accepts(staged.made):
            waiting.add(staged.video.source.video_id)
    return waiting


def fitted_to(path: Path, made: Provenance, *, mix_devices: bool) -> Provenance:
    """How rows are made, for the store at ``path``, which may not exist yet.

    Where devices may be mixed, here or since an earlier run, rows are of any. Says once what the
    store does not record because it is older; raises ``StoreMismatchError`` where it was made
    otherwise.
    """
    store = StoreReader(path).provenance if path.exists() else None
    if mix_devices or (store and store.device == "any"):
        made = replace(made, device="any")
    if store:
        store.refuse_others(path, made)
        if unknown := store.recorded_by_one(made):
            messages.print(
                f"{path} does not record {', '.join(unknown)}, as older stores do not: rows are "
                "added on trust that these are the same",
                markup=False,
            )
    return made
