"""What a store holds already of a list of videos, what has changed since, and whether it fits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar, runtime_checkable

from extract.videos.listing import ListedVideo
from extract.videos.part import VideoError, read_part_name
from extract.videos.source_identity import QuickIdentity, part_hash, quick_look
from seds_core.console import messages
from seds_core.store.place import StoreLocation, place_of
from seds_core.store.provenance import Provenance
from seds_core.store.reader import StoreReader, VideoEntry
from seds_core.store.staging import waiting_videos
from seds_core.video_id import video_id_of


@runtime_checkable
class NamedVideo(Protocol):
    """A video to extract or to import."""

    @property
    def video_id(self) -> str:
        """Its name in the store, in any Unicode spelling."""


Video = TypeVar("Video", bound=NamedVideo)


@dataclass(frozen=True)
class Comparison(Generic[Video]):
    """Videos beside a store's, in order."""

    missing: tuple[Video, ...]
    changed: tuple[Video, ...]
    num_there: int
    """Videos that are in the store as they are now."""

    @property
    def todo(self) -> tuple[Video, ...]:
        """Missing and changed videos."""
        return self.missing + self.changed


def compare(
    videos: Sequence[Video],
    entries: Mapping[str, VideoEntry],
    has_changed: Callable[[Video, VideoEntry], bool],
) -> Comparison[Video]:
    """Compares videos with those in a store."""
    known = [(video, entries.get(video_id_of(video.video_id))) for video in videos]
    missing = tuple(video for video, entry in known if entry is None)
    changed = tuple(video for video, entry in known if entry and has_changed(video, entry))
    return Comparison(missing, changed, len(videos) - len(missing) - len(changed))


def source_changed(
    entry: VideoEntry, look: Callable[[], QuickIdentity], read_hash: Callable[[], str]
) -> bool:
    """Whether a source is another than the one that a store's entry was made of.

    Equal size and time settle it without reading; otherwise the content decides. A source that
    cannot be looked at counts as changed, so that the run meets it and reports it.
    """
    try:
        now = look()
        # As of an untouched file, and of a copy that kept its time.
        if now.fits(entry.size_bytes, entry.mtime_ns):
            return False
        return now.size_bytes != entry.size_bytes or read_hash() != entry.content_hash
    except (OSError, VideoError):
        return True


def video_changed(video: ListedVideo, entry: VideoEntry) -> bool:
    """Whether a video is another than the one extracted; another part of a recording is one.

    A video with a problem counts as changed, so that the run reports it.
    """
    _, extracted_part = read_part_name(entry.path)
    if video.problem or video.part != extracted_part:
        return True
    return source_changed(
        entry, lambda: quick_look(video.path), lambda: part_hash(video.path, video.part)
    )


def entries_of(store: StoreLocation) -> Mapping[str, VideoEntry]:
    """The videos in a store, which may not exist yet."""
    return StoreReader(store).videos if place_of(store).exists() else {}


def has_everything(
    store_at: StoreLocation, videos: Sequence[ListedVideo], made: Provenance | None
) -> bool:
    """Whether the store there holds all videos as they are, and no old failure of theirs.

    ``made`` is how the run makes rows, ``None`` where only the loaded network tells. Raises
    ``StoreMismatchError`` where the store was made otherwise.
    """
    if made is None or not place_of(store_at).exists():
        return False
    store = StoreReader(store_at)
    store.provenance.refuse_others(store.url, made)
    # Sources are looked at last: they may lie on a slow disk, and the first change is enough.
    return (
        all(video.video_id in store.videos for video in videos)
        and not any(video.video_id in store.failures for video in videos)
        and not any(video_changed(video, store.videos[video.video_id]) for video in videos)
    )


def staged_videos(store_at: StoreLocation, made: Provenance) -> set[str]:
    """Ids of finished videos, ``made`` alike, that wait beside the store; nothing is touched."""
    return {
        staged.video.source.video_id
        for staged in waiting_videos(store_at)
        if made.accepts(staged.made)
    }


def fitted_to(store_at: StoreLocation, made: Provenance, *, mix_devices: bool) -> Provenance:
    """How rows are made, for the store there, which may not exist yet.

    Rows may be of any device where devices are mixed, now or since an earlier run. Says once what
    the store does not record because it is older; raises ``StoreMismatchError`` where it was made
    otherwise.
    """
    place = place_of(store_at)
    store = StoreReader(store_at).provenance if place.exists() else None
    # A store that has been told to mix devices remembers it.
    if mix_devices or (store and store.device == "any"):
        made = replace(made, device="any")
    if store:
        store.refuse_others(place.url, made)
        if unknown := store.recorded_by_one(made):
            messages.print(
                f"{place.url} does not record {', '.join(unknown)}, as older stores do not: rows "
                "are added on trust that these are the same",
                markup=False,
            )
    return made
