"""What of an import is still to be done: what the store lacks, and what has changed since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from extract.imports.file_identity import content_hash, quick_look
from extract.imports.imported import ImportItem
from seds_core.store.reader import VideoEntry
from seds_core.video_id import video_id_of


@dataclass(frozen=True)
class ImportPlan:
    """The videos to import, in order, and how many are in the store as they are."""

    missing: tuple[ImportItem, ...]
    changed: tuple[ImportItem, ...]
    num_there: int

    @property
    def todo(self) -> tuple[ImportItem, ...]:
        """Missing and changed videos."""
        return self.missing + self.changed


def plan_import(items: Sequence[ImportItem], entries: Mapping[str, VideoEntry]) -> ImportPlan:
    """Compares the videos with those in a store."""
    known = [(item, entries.get(video_id_of(item.video_id))) for item in items]
    missing = tuple(item for item, entry in known if entry is None)
    changed = tuple(item for item, entry in known if entry and has_changed(item, entry))
    return ImportPlan(missing, changed, len(items) - len(missing) - len(changed))


def has_changed(item: ImportItem, entry: VideoEntry) -> bool:
    """Whether a file is another than the one imported.

    Size and time settle it cheaply when they are equal; otherwise the content decides. A file that
    cannot be looked at counts as changed, so that the import meets it and reports it.
    """
    try:
        look = quick_look(item.path)
        if look.fits(entry.size_bytes, entry.mtime_ns):
            return False
        return look.size_bytes != entry.size_bytes or content_hash(item.path) != entry.content_hash
    except OSError:
        return True
