"""What the store of a run says before any network is loaded."""

from dataclasses import replace
from pathlib import Path

from extract.run.plan import is_all_there
from extract.videos.listing import VideoList
from seds_core.console import messages
from seds_core.store.layout import Provenance
from seds_core.store.reader import StoreReader
from seds_core.store.staging import DamagedRecordError, read_finished, staging_folder


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
