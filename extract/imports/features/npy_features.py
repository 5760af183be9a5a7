"""Imports ``.npy`` files of features (clip, rgb), with a frame map that says what they show."""

from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from extract.imports.features.frame_map import COLUMNS, FrameMap, MappedClips, read_frame_map
from extract.imports.features.mapped_clips import check_clips
from extract.imports.imported import ImportedVideo, ImportItem
from extract.imports.rounding import as_float32
from extract.imports.source_files import videos_in_files
from extract.imports.video_facts import FactsSource, VideoFacts
from extract.settings import RgbSettings
from seds_core.errors import ImportedFileError, UsageError
from seds_core.store.layout import Provenance

DTYPES = ("float16", "float32", "float64")
"""What is read; all become float32, and float64 numbers that this rounds are counted."""


class NpyFeatures:
    """``<source>/**/<video>.npy`` of shape (clip, rgb), one row a clip; an ``ImportFormat``.

    Built from the folder, the frame map, a source of sizes and frame rates, and of the pipeline the
    ``rgb`` settings and ``frames.folder_fps``, the frame rate of videos of which nobody knows any
    facts; their size is 0 in the table of videos, as features need none. Of the settings,
    ``max_clips`` is how many clips a video may have, ``clip_length`` the frames of a clip where the
    map names the first one only, ``frames`` and ``hand_rules`` what its frames were chosen by. A
    video's id in the map is its path below ``source`` without ``.npy``, or the file's name alone.
    """

    def __init__(
        self,
        source: Path,
        frame_map: Path | None,
        facts: FactsSource,
        rgb: RgbSettings,
        *,
        folder_fps: float,
    ) -> None:
        """Reads the map. Raises ``UsageError`` where there is none or the settings forbid it."""
        if frame_map is None:
            raise UsageError(
                "features alone do not say which frames they show: give --frame-map FILE, "
                f"{COLUMNS}"
            )
        self._source = source
        self._facts = facts
        self._rgb = rgb
        self._folder_fps = folder_fps
        self._map = read_frame_map(frame_map)
        _check_settings(frame_map, self._map, rgb)

    @cached_property
    def provenance(self) -> Provenance:
        """An RGB store of the mapped clips, as wide as the first file that can be read."""
        rgb = self._rgb
        return Provenance(
            kind="rgb",
            settings={
                "imported": {"format": "npy"},
                "frames": {"max_frames": None, "folder_fps": self._folder_fps},
                "rgb": {
                    "clips": "planned",
                    "max_clips": rgb.max_clips,
                    "clip_length": self._map.clip_frames or rgb.clip_length,
                    "frames": rgb.frames,
                    "hand_rules": rgb.hand_rules,
                },
            },
            weights={
                "name": "imported",
                "source": str(self._source),
                "sha256": "",
                "is_random": False,
            },
            feature_dim=self._feature_dim,
            clip_frames=self._map.clip_frames,
        )

    def items(self) -> list[ImportItem]:
        """The ``.npy`` files, and the mapped videos without one, by name."""
        files: dict[str, Path] = {}
        for item in videos_in_files(self._source, ".npy"):
            video_id = item.video_id if item.video_id in self._map.lines else item.path.stem
            other = files.setdefault(video_id, item.path)
            if other != item.path:
                raise UsageError(f"{other} and {item.path} are both of the video '{video_id}'")
        for video_id in self._map.lines.keys() - files.keys():
            files[video_id] = self._source / f"{video_id}.npy"
        return [ImportItem(video_id, files[video_id]) for video_id in sorted(files)]

    def read(self, item: ImportItem) -> ImportedVideo:
        """The features of a video's clips and the frames that they show."""
        features, num_rounded = _features(item.path)
        if features.shape[1] != self._feature_dim:
            raise ImportedFileError(
                item.path,
                f"has features of {features.shape[1]} numbers, others have {self._feature_dim}",
            )
        clips = self._clips(item)
        check_clips(item.path, clips, len(features), self._map.clip_frames or self._rgb.clip_length)
        facts = self._known_facts(item.video_id)
        rows = {
            "features": features,
            "first_frame": clips.first_frame,
            "frame_step": clips.frame_step,
        }
        return ImportedVideo(
            rows=rows | ({"frames": clips.frames} if self._map.clip_frames else {}),
            num_frames=int(clips.num_frames[0]),
            frame_step=max(1, int(clips.frame_step[0])),
            fps=facts.fps,
            width=facts.width,
            height=facts.height,
            num_rounded=num_rounded,
        )

    @cached_property
    def _feature_dim(self) -> int:
        for item in self.items():
            try:
                return _mapped_array(item.path).shape[1]
            except ImportedFileError:
                continue  # it will be among the failures
        raise UsageError(f"none of the .npy files below {self._source} holds features (clip, rgb)")

    def _known_facts(self, video_id: str) -> VideoFacts:
        try:
            return self._facts(video_id)
        except LookupError:
            return VideoFacts(0, 0, self._folder_fps)

    def _clips(self, item: ImportItem) -> MappedClips:
        try:
            return self._map.of(item.video_id)
        except KeyError:
            raise ImportedFileError(
                item.path, f"the frame map has no video '{item.video_id}'"
            ) from None


def _check_settings(path: Path, frame_map: FrameMap, rgb: RgbSettings) -> None:
    if frame_map.max_clips > rgb.max_clips:
        raise UsageError(
            f"{path} has a video of {frame_map.max_clips} clips, and the pipeline allows "
            f"{rgb.max_clips}: set extract.rgb.max_clips to {frame_map.max_clips}"
        )
    if rgb.frames == "hands" and not frame_map.clip_frames:
        raise UsageError(
            "the pipeline's extract.rgb.frames is 'hands', which leaves out frames without hands: "
            f"{path} must name every frame of a clip in the column frames, or set it to 'all'"
        )


def _features(path: Path) -> tuple[Float32[np.ndarray, "clip rgb"], int]:
    """The features, and how many numbers changed when they became float32."""
    features, num_rounded = as_float32(np.array(_mapped_array(path)))
    if not np.isfinite(features).all():
        raise ImportedFileError(path, "holds NaN or infinite numbers, or some beyond float32")
    return features, num_rounded


def _mapped_array(path: Path) -> np.ndarray:
    """The file's array without reading it: a header cannot ask for more memory than the file has.

    Pickled objects cannot be mapped, so that no code of the file runs.
    """
    try:
        values = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise ImportedFileError(
            path, "the frame map has this video, but there is no file"
        ) from None
    except (OSError, ValueError, TypeError, SyntaxError, EOFError, MemoryError) as error:
        raise ImportedFileError(path, f"is no .npy file of numbers: {error}") from None
    if values.ndim != 2 or values.dtype.name not in DTYPES or 0 in values.shape:
        raise ImportedFileError(
            path,
            f"holds {values.dtype} of shape {values.shape}, where (clip, rgb) of "
            f"{', '.join(DTYPES)} is needed",
        )
    return values
