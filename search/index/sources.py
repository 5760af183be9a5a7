"""The videos that an index is built of: what the stores hold of them, and what a table says."""

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from extract.videos.part import PART_COLUMNS, read_part, read_part_name
from search.index.identity import IndexIdentity
from search.index.records import EntryRecord
from search.index.windows import open_window_stores
from seds_core.dataset_index import IndexedVideo, read_index
from seds_core.errors import UsageError
from seds_core.store.place import StoreLocation
from seds_core.store.reader import StoreReader
from train.data.rgb_stores import RgbChoice
from train.data.stage_stores import StageStores, open_stage_stores
from train.evaluation.load_model import refuse_other_stores


@dataclass(frozen=True)
class SourceVideo:
    """A video with rows in every store that the stage uses."""

    video_id: str
    path: Path
    """Of its file or folder of frames; absolute."""
    start: float
    """Seconds of the file at which it begins."""
    text: str
    columns: dict[str, str]
    fps: float | None
    """Frames a second on average; ``None`` where the stores do not know."""
    duration: float | None
    """Seconds."""
    source: str
    """Changes where the rows do."""


@dataclass(frozen=True)
class VideoSources:
    """Opened stores, and the table that names their videos."""

    stores: StageStores
    index: Path | None
    """``None``: the stores name their videos themselves, and know no sentences."""
    listed: tuple[IndexedVideo, ...]
    described: dict[str, EntryRecord] = field(default_factory=dict)
    """What the index itself knows of videos, for those that no table describes."""

    @property
    def num_without_rows(self) -> int:
        """Videos of the table that cannot be indexed, because a store lacks them."""
        return sum(video.video_id not in self.stores.video_ids for video in self.listed)

    @cached_property
    def video_ids(self) -> tuple[str, ...]:
        """Videos to index, in the order of the table or, without one, of a store."""
        ids = self._by_id if self.index is not None else self._readers[0].videos
        return tuple(video_id for video_id in ids if video_id in self.stores.video_ids)

    def video(self, video_id: str) -> SourceVideo:
        """Returns what is known of a video.

        Raises ``UsageError`` for a part of a recording that the table does not give rightly.
        """
        listed = self._by_id.get(video_id)
        return self._unlisted(video_id) if listed is None else self._listed(listed)

    def num_frames(self, video_id: str) -> int:
        """Returns the frames of a video."""
        return self._readers[0].videos.rows(video_id).num_frames

    @cached_property
    def _by_id(self) -> dict[str, IndexedVideo]:
        return {video.video_id: video for video in self.listed}

    @cached_property
    def _readers(self) -> tuple[StoreReader, ...]:
        rgb = self.stores.rgb.stores if self.stores.rgb else ()
        return (*rgb, *filter(None, [self.stores.pose]))

    def _listed(self, video: IndexedVideo) -> SourceVideo:
        columns = {"split": video.split, **video.other}
        try:
            part = read_part(columns)
        except ValueError as error:
            raise UsageError(f"the index {self.index}: video '{video.video_id}': {error}") from None
        for name in PART_COLUMNS:
            columns.pop(name, None)
        return self._source(video.video_id, video.path, part.start or 0.0, video.text, columns)

    def _unlisted(self, video_id: str) -> SourceVideo:
        found = [r.videos.values_of(video_id, ("path",))[0] for r in self._readers]
        path, part = read_part_name(found[0])
        known = self.described.get(video_id)
        if known is not None:
            return self._source(video_id, known.path, known.start, known.text, known.columns)
        return self._source(video_id, path, part.start or 0.0, "", {})

    def _source(
        self, video_id: str, path: Path, start: float, text: str, columns: dict[str, str]
    ) -> SourceVideo:
        fps, duration = self._timing(video_id, is_part=start > 0)
        # Not resolved: links keep their names.
        return SourceVideo(
            video_id=video_id,
            path=Path(os.path.abspath(path)),
            start=start,
            text=text,
            columns={name: value for name, value in columns.items() if value},
            fps=fps,
            duration=duration,
            source=self._source_digest(video_id),
        )

    def _timing(self, video_id: str, *, is_part: bool) -> tuple[float | None, float | None]:
        """Frames a second and seconds, by the first store that knows them: imports may not."""
        names = ("fps", "duration", "num_frames")
        for reader in self._readers:
            fps, duration, num_frames = reader.videos.values_of(video_id, names)
            if fps > 0 and num_frames > 0:
                return fps, num_frames / fps if is_part or not duration > 0 else duration
        return None, None

    def _source_digest(self, video_id: str) -> str:
        names = ("rows_checksum", "num_frames", "frame_step", "width", "height")
        values = [reader.videos.values_of(video_id, names) for reader in self._readers]
        return hashlib.blake2b(repr(values).encode(), digest_size=12).hexdigest()


def open_sources(
    identity: IndexIdentity,
    *,
    rgb: RgbChoice | None,
    pose: StoreLocation | None,
    index: Path | None,
    checkpoint: Path,
) -> VideoSources:
    """Opens stores, which must be made as those are that the model of an index learned from.

    Only the stores of an index of windows have every frame and every clip instead. Raises
    ``UsageError`` naming what differs, and for a table that cannot be used.
    """
    trained_on = identity.trained_on
    if identity.windows is None:
        stores = open_stage_stores(identity.stage, identity.settings.keypoints, rgb=rgb, pose=pose)
        refuse_other_stores(trained_on, stores.provenance, checkpoint)
        if stores.layout != identity.layout:
            raise UsageError(
                f"{checkpoint} is made for {identity.layout.num_slots} clips of "
                f"{identity.layout.clip_length} frames at most, but the stores have "
                f"{stores.layout.num_slots} of {stores.layout.clip_length}"
            )
    else:
        stores, as_trained = open_window_stores(identity, rgb=rgb, pose=pose)
        # The stage pose may have learned with the clips of a store that windows do not need.
        needed = {
            n: v for n, v in trained_on.items() if n in as_trained or identity.stage != "pose"
        }
        refuse_other_stores(needed, as_trained, checkpoint)
    listed = tuple(read_index(index)) if index is not None else ()
    return VideoSources(stores, index, listed)
