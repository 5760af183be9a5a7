"""The publication's pickles, one a video: keypoints and RGB features.

- ``RTMpose/<video>.pkl`` = {'keypoints': (frame, 133, 3), 'img_list': names of the images}
- ``I3D_features/<split>/<video>.pkl`` = {'name', 'feature': (clip, rgb)}
"""

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float16, Float32, Int64, Num

from extract.interchange.imported import (
    Facts,
    ImportedFiles,
    ImportedVideo,
    ImportItem,
    as_float32,
    files_below,
    known_facts,
)
from extract.interchange.keypoint_video import MAX_FRAMES, keypoint_video, no_person_found
from extract.rgb.provenance import KeptFrames
from extract.settings import ExtractSettings
from seds_core.clip_plan import plan_clips
from seds_core.dataset_index import IndexedVideo, read_index
from seds_core.errors import ImportedFileError, UsageError, first_names
from seds_core.keypoints import NUM_KEYPOINTS
from seds_core.store.provenance import ClipRules, ImportedFrom, Provenance, TimelineRules
from seds_core.store.reader import VideoNotInStoreError
from seds_core.untrusted_pickles import parse_pickle, read_bytes
from seds_core.video_id import video_id_of

# Files among which one must tell what all have in common.
LOOKED_AT = 100

Value = TypeVar("Value")


@dataclass(frozen=True)
class PublishedFiles:
    """``<source>/**/<video>.pkl``."""

    source: Path
    ids: Mapping[str, str] | None
    """Name of a file, or path without ending -> video id; ``None``: a file is its own video's."""

    @classmethod
    def open(cls, source: Path, index: Path | None) -> "PublishedFiles":
        """The files below a folder, of the videos of an index if there is one."""
        return cls(source, ids_by_name(read_index(index)) if index else None)

    def items(self) -> list[ImportItem]:
        """The files by path; those of no known video are among them, and fail when read.

        Raises ``UsageError`` when there are none, and when two are of one video.
        """
        # A file of no known video keeps its own name, under which its failure is reported.
        items: dict[str, ImportItem] = {}
        for path in files_below(self.source, ".pkl"):
            item = ImportItem(self._id(path) or video_id_of(path.stem), path)
            other = items.setdefault(item.video_id, item)
            if other is not item:
                raise UsageError(
                    f"{other.path} and {path} are both of the video '{item.video_id}': import them "
                    "into two stores, or remove one of them"
                )
        return list(items.values())

    def read(self, item: ImportItem) -> tuple[dict[str, Any], str]:
        """The dictionary in a file, and the BLAKE2b-128 of its bytes.

        Raises :class:`ImportedFileError` for other contents and for a file of no known video.
        """
        if self._id(item.path) is None:
            raise ImportedFileError(
                item.path,
                f"no video of the index is called '{item.path.stem}', nor has it as its alias",
            )
        content = read_bytes(item.path)
        value = parse_pickle(content, item.path)
        if not isinstance(value, dict):
            raise ImportedFileError(
                item.path, f"holds a {type(value).__name__}, where a dictionary is needed"
            )
        return value, hashlib.blake2b(content, digest_size=16).hexdigest()

    def first(
        self, items: Sequence[ImportItem], learn: Callable[[ImportItem], Value], unknown: str
    ) -> Value:
        """Learns from the first of the files that can be read what all have in common.

        Raises ``UsageError``, "``unknown`` below ..." and the first file's problem, where none can.
        """
        problem = ""
        for item in items[:LOOKED_AT]:
            try:
                return learn(item)
            except ImportedFileError as error:
                problem = problem or str(error)
        raise UsageError(f"{unknown} below {self.source}: {problem}")

    def _id(self, path: Path) -> str | None:
        name = video_id_of(path.stem)
        if self.ids is None:
            return name
        below = video_id_of(path.relative_to(self.source).with_suffix("").as_posix())
        return self.ids.get(below) or self.ids.get(name)


def ids_by_name(videos: Sequence[IndexedVideo]) -> dict[str, str]:
    """The ids of an index by id and alias. Raises ``UsageError`` for an alias of two videos."""
    # An id comes before an equal alias of another video.
    aliases: dict[str, str] = {}
    for video in videos:
        if alias := video_id_of(video.other.get("alias", "")):
            other = aliases.setdefault(alias, video.video_id)
            if other != video.video_id:
                raise UsageError(
                    f"the index gives the videos '{other}' and '{video.video_id}' the same alias "
                    f"'{alias}'"
                )
    return aliases | {video.video_id: video.video_id for video in videos}


def entry(item: ImportItem, values: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401
    """What a dictionary has under a name; raises :class:`ImportedFileError` without it."""
    if name not in values:
        found = first_names([repr(key) for key in values], 10) or "nothing"
        raise ImportedFileError(item.path, f"has no {name!r}, but {found}")
    return values[name]


def open_published_keypoints(
    files: PublishedFiles,
    facts: Facts,
    *,
    image_size: tuple[int, int] | None,
    folder_fps: float,
) -> ImportedFiles:
    """Opens one pickle a video; every frame becomes a row, frames left out show no person.

    How images are named is learnt from the first file that tells it; their names in ``img_list``
    say which frames the keypoints belong to. ``image_size`` (given for all videos) and
    ``folder_fps`` are only recorded. Raises ``UsageError`` when there are no files, or none that
    tells how images are named.
    """
    items = files.items()

    def names_like(item: ImportItem) -> FrameNames:
        try:
            return FrameNames.like(_image_names(item, files.read(item)[0]))
        except ValueError as error:
            raise ImportedFileError(item.path, str(error)) from None

    frame_names = files.first(
        items, names_like, "which frames the keypoints belong to cannot be told"
    )

    def read(item: ImportItem) -> ImportedVideo:
        values, content_hash = files.read(item)
        keypoints, num_rounded = _keypoints(item, values)
        names = _image_names(item, values)
        if len(names) != len(keypoints):
            raise ImportedFileError(
                item.path, f"has {len(keypoints)} frames of keypoints and {len(names)} images"
            )
        try:
            frames = frame_names.frames(names)
        except ValueError as error:
            raise ImportedFileError(item.path, str(error)) from None
        # Frames that the file leaves out, or lists in another order, get rows of their own.
        if not np.array_equal(frames, np.arange(len(keypoints))):
            every_frame = no_person_found(int(frames.max()) + 1)
            every_frame[frames] = keypoints
            keypoints = every_frame
        video = keypoint_video(item.path, keypoints, known_facts(item, facts))
        return replace(video, content_hash=content_hash, num_rounded=num_rounded)

    provenance = Provenance.imported(
        files.source,
        ImportedFrom(
            format="published-keypoints",
            frame_names=frame_names.template,  # for the way back
            first_number=frame_names.first_number,
            image_size=image_size,
        ),
        timeline=TimelineRules(max_frames=None, folder_fps=folder_fps),
    )
    return ImportedFiles(provenance, items, read)


def _keypoints(
    item: ImportItem, values: Mapping[str, Any]
) -> tuple[Float32[np.ndarray, "frame keypoint=133 coordinate=3"], int]:
    """The keypoints, and how many numbers changed when they became float32."""
    keypoints = entry(item, values, "keypoints")
    if not isinstance(keypoints, np.ndarray) or keypoints.dtype.kind not in "fiu":
        raise ImportedFileError(item.path, "its 'keypoints' are no array of numbers")
    if keypoints.shape[1:] != (NUM_KEYPOINTS, 3) or not len(keypoints):
        raise ImportedFileError(
            item.path, f"its 'keypoints' have shape {keypoints.shape}, not (frames, 133, 3)"
        )
    return as_float32(keypoints)


def _image_names(item: ImportItem, values: dict[str, Any]) -> list[str]:
    names = entry(item, values, "img_list")
    if isinstance(names, np.ndarray):
        names = names.tolist()
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ImportedFileError(item.path, "its 'img_list' is no list of names")
    return [str(name) for name in names]


_NUMBER = re.compile(r"[0-9]+")
_MAX_DIGITS = 9


@dataclass(frozen=True)
class FrameNames:
    """How the images of a data set are named and counted."""

    template: str
    """With ``%`` and a number's format in place of the number, such as ``images%04d.png``."""
    first_number: int
    """Number of a video's first frame: 0 or 1."""

    @classmethod
    def like(cls, names: Sequence[str]) -> "FrameNames":
        """How the images of one video are named, one of which is its first frame.

        Raises ``ValueError`` for names without numbers, and when the lowest is neither 0 nor 1.

        >>> FrameNames.like(["images0001.png", "images0002.png"])
        FrameNames(template='images%04d.png', first_number=1)
        """
        parts = [_parts(name) for name in names]
        if not parts:
            raise ValueError("it lists no images")
        # The lowest number is the first frame's, and shows how many digits numbers have.
        before, digits, after = min(parts, key=lambda part: int(part[1]))
        if int(digits) > 1:
            raise ValueError(f"its images are numbered from {int(digits)} on, not from 0 or 1")
        width = f"0{len(digits)}" if len(digits) > 1 else ""
        # Both become part of a format, in which a ``%`` of the name must stay one.
        before, after = before.replace("%", "%%"), after.replace("%", "%%")
        return cls(f"{before}%{width}d{after}", int(digits))

    def name(self, frame: int) -> str:
        """The name of a frame's image; frames count from 0.

        >>> FrameNames("images%04d.png", 1).name(0)
        'images0001.png'
        """
        return self.template % (frame + self.first_number)

    def frames(self, names: Sequence[str]) -> Int64[np.ndarray, " row"]:
        """The frames that images belong to, in the order of the names.

        Raises ``ValueError`` for a name of another form, before the first frame, too far behind
        it, or given twice.

        >>> FrameNames("images%04d.png", 1).frames(["images0001.png", "images0004.png"]).tolist()
        [0, 3]
        """
        if list(names) == [self.name(frame) for frame in range(len(names))]:
            return np.arange(len(names))  # as almost all are, without looking for numbers
        frames = [int(_parts(name)[1]) - self.first_number for name in names]
        for name, frame in zip(names, frames, strict=True):
            if not 0 <= frame < MAX_FRAMES or self.name(frame) != name:
                raise ValueError(
                    f"its image {name[:100]!r} is not named like others: {self.name(0)!r} is first"
                )
        if len(set(frames)) < len(frames):
            raise ValueError("it lists an image twice")
        return np.array(frames, np.int64)


# Those of PHOENIX-2014T.
PUBLISHED_NAMES = FrameNames("images%04d.png", 1)


def _parts(name: str) -> tuple[str, str, str]:
    """What stands before the last number of a name, its digits, and the rest."""
    stem, ending = os.path.splitext(name)
    numbers = list(_NUMBER.finditer(stem))
    if not numbers or len(numbers[-1][0]) > _MAX_DIGITS:
        raise ValueError(f"its image {name[:100]!r} has no number that a frame may have")
    last = numbers[-1]
    return stem[: last.start()], last[0], stem[last.end() :] + ending


def open_published_features(
    files: PublishedFiles,
    settings: ExtractSettings,
    kept_frames: KeptFrames | None,
    *,
    folder_fps: float,
) -> ImportedFiles:
    """Opens one pickle a video; every clip becomes a row.

    The files do not say which frames their clips are made of. A pose store does, by the rules that
    the publication chose them by; then a file must hold just as many clips. Without one, features
    can be trained with alone, but not beside keypoints. How wide and how precise features are is
    learnt from the first file that can be read. Raises ``UsageError`` when there is none.
    """
    items = files.items()
    form = files.first(
        items,
        lambda item: _form(_features(item, files.read(item)[0])[0]),
        "no features can be read",
    )

    def read(item: ImportItem) -> ImportedVideo:
        values, content_hash = files.read(item)
        features, num_rounded = _features(item, values)
        if _form(features) != form:
            found, first = (f"{dim} {dtype} numbers" for dim, dtype in (_form(features), form))
            raise ImportedFileError(item.path, f"has {found} a clip, and the first file {first}")
        if kept_frames is None:
            clips = unknown_clips(len(features))
        else:
            clips = _clips_in_order(item, len(features), kept_frames, settings)
        rows = {"features": features} | clips.rows
        return replace(clips, rows=rows, content_hash=content_hash, num_rounded=num_rounded)

    rgb = settings.rgb
    provenance = Provenance.imported(
        files.source,
        ImportedFrom(format="published-features", clip_frames_known=kept_frames is not None),
        timeline=TimelineRules(max_frames=settings.frames.max_frames, folder_fps=folder_fps),
        rgb=ClipRules(
            clip_length=rgb.clip_length,
            clips=rgb.clips,
            max_clips=rgb.max_clips,
            frames=rgb.frames,
            hand_rules=rgb.hand_rules,
        ),
        feature_dim=form[0],
        feature_dtype=form[1],
        # Where frames without hands are left out, every clip's row names its frames.
        clip_frames=rgb.clip_length if kept_frames and rgb.frames == "hands" else 0,
        pose_store_sha256=kept_frames.identity if kept_frames else None,
    )
    return ImportedFiles(provenance, items, read)


def _clips_in_order(
    item: ImportItem, num_found: int, kept_frames: KeptFrames, settings: ExtractSettings
) -> ImportedVideo:
    """The planned clips of a video, for just as many rows of features."""
    try:
        clips = planned_clips(kept_frames, settings, item.video_id)
    except VideoNotInStoreError as error:
        raise ImportedFileError(
            item.path, f"which frames its clips are made of is not known: {error}"
        ) from None
    # Clips are told apart by their order alone: another number would shift their frames.
    num_planned = len(clips.rows["first_frame"])
    if num_planned != num_found:
        raise ImportedFileError(
            item.path,
            f"has {num_found} clips, but by the keypoints of {kept_frames.pose.url} and the "
            f"settings there are {num_planned}: look at rgb.frames, rgb.hand_rules and "
            "frames.max_frames",
        )
    return clips


def unknown_clips(num_clips: int) -> ImportedVideo:
    """Clips of unknown frames: they begin with frame -1, with a step of 0, in a video of 0s."""
    rows = {
        "first_frame": np.full(num_clips, -1, np.int32),
        "frame_step": np.zeros(num_clips, np.int32),
    }
    return ImportedVideo(rows, num_frames=0, frame_step=0, fps=0.0, width=0, height=0)


def planned_clips(
    kept_frames: KeptFrames, settings: ExtractSettings, video_id: str
) -> ImportedVideo:
    """The clips that a video's features are made of, by its keypoints and the settings.

    As published, frames in which no hand can be used are left out first, unless ``rgb.frames`` is
    ``all``. Its rows lack the features only. Raises ``VideoNotInStoreError`` for a video without
    keypoints.
    """
    rgb, max_frames = settings.rgb, settings.frames.max_frames
    store = kept_frames.pose
    if rgb.frames == "hands":
        timeline = kept_frames.of(video_id, max_frames)
        clips = timeline.clips(rgb.clip_length, rgb.clip_limit)
        frame_step = timeline.frame_step
        rows = {
            "first_frame": clips[:, 0],
            "frame_step": np.zeros(len(clips), np.int32),
            "frames": clips,
        }
    else:
        plan = plan_clips(
            store.entry(video_id).num_frames,
            max_frames=max_frames,
            clip_length=rgb.clip_length,
            max_clips=rgb.clip_limit,
        )
        frame_step = plan.frame_step
        rows = {
            "first_frame": plan.first_frames,
            "frame_step": np.full(len(plan.starts), plan.frame_step, np.int32),
        }
    video = store.videos[video_id]
    return ImportedVideo(rows, video.num_frames, frame_step, video.fps, video.width, video.height)


def _features(
    item: ImportItem, values: Mapping[str, Any]
) -> tuple[Float32[np.ndarray, "clip rgb"] | Float16[np.ndarray, "clip rgb"], int]:
    """The features, and how many numbers changed when they became float32."""
    features: Num[np.ndarray, "clip rgb"] = entry(item, values, "feature")
    if not isinstance(features, np.ndarray) or features.dtype.kind not in "fiu":
        raise ImportedFileError(item.path, "its 'feature' is no array of numbers")
    if features.ndim != 2 or not features.size:
        raise ImportedFileError(
            item.path, f"its 'feature' has shape {features.shape}, not (clips, numbers)"
        )
    return (features, 0) if features.dtype == np.float16 else as_float32(features)


def _form(features: Num[np.ndarray, "clip rgb"]) -> tuple[int, str]:
    """Numbers of a clip, and their type."""
    return features.shape[1], features.dtype.name
