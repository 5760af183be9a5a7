"""What stage one has to do with a query video, so that it meets the index's videos as one of them.

The stores that a model was trained on say how their rows were made; a query's rows are made alike.
"""

from dataclasses import dataclass
from typing import Any

from extract.settings import ExtractSettings
from search.index.identity import IndexIdentity
from seds_core.errors import UsageError
from seds_core.pipeline_file import validated
from seds_core.store.provenance import Provenance
from train.settings import KeypointSettings


class UnrepeatableExtractionError(UsageError):
    """Rows that cannot be made of a query video; the message says why."""


@dataclass(frozen=True)
class StageOne:
    """How the rows of a query video are made, and how they are read afterwards."""

    rgb: tuple[ExtractSettings, ...]
    """One for each store of features; none where the index's stage needs no features."""
    mix: tuple[float, ...]
    """A weight for each of them."""
    pose: ExtractSettings | None
    """``None`` where no keypoints are needed."""
    clips_need_pose: bool
    """Whether keypoints have to be found first, because they decide the frames of the clips
    (``rgb.frames: hands``)."""
    keypoints: KeypointSettings
    """For a reader without features: its clips are those of the index."""


def stage_one_of(identity: IndexIdentity) -> StageOne:
    """Returns how an index's stage makes the rows of a video.

    Raises :class:`UnrepeatableExtractionError` where that cannot be repeated, such as for stores
    that were imported from another program's files.
    """
    stores = identity.trained_on
    rgb_names = sorted(name for name in stores if name.startswith("rgb"))
    # The stage pose may have taken its clips from a store whose features it does not use.
    needs_features = identity.stage in ("rgb", "fusion")
    rgb = tuple(extract_settings_of(stores[name]) for name in rgb_names if needs_features)
    clips_need_pose = any(settings.rgb.frames == "hands" for settings in rgb)
    if clips_need_pose and "pose" not in stores:
        raise UnrepeatableExtractionError(
            "the clips of a video leave out frames without hands, and the run does not say which "
            "keypoints decided that: it was trained with --stage rgb. Search by a video of the "
            "index (--like), or by sentence"
        )
    return StageOne(
        rgb=rgb,
        mix=tuple(stores[name].get("mix", 1.0) for name in rgb_names if needs_features),
        pose=extract_settings_of(stores["pose"]) if "pose" in stores else None,
        clips_need_pose=clips_need_pose,
        keypoints=identity.keypoints,
    )


def extract_settings_of(store: dict[str, Any]) -> ExtractSettings:
    """Returns the settings that a store's rows were made by, from its attributes.

    Raises :class:`UnrepeatableExtractionError` for rows that were not extracted from videos here.
    """
    provenance, path = Provenance.from_attributes(store), store.get("path", "the store")
    if provenance.imported_from is not None:
        raise UnrepeatableExtractionError(
            f"the rows of {path} were imported ({provenance.imported_from.format}), and how "
            "another program makes them of a video is not known: search by a video of the index "
            "(--like), or by sentence"
        )
    # What is not recorded has its default: how frames are chosen by hands where none are dropped.
    found = validated(provenance.recorded_settings, ExtractSettings, f"the settings of {path}")
    if found.pose.person_box == "csv":
        raise UnrepeatableExtractionError(
            f"the keypoints of {path} were found in boxes that {found.pose.person_box_file} gives "
            "for each video, and a query has none there: search by a video of the index (--like), "
            "or by sentence"
        )
    return found
