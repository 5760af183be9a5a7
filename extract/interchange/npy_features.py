"""Features as .npy files, and the CSV that says which frames they belong to."""

from array import array
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32

from extract.interchange.imported import (
    FactsSource,
    ImportedVideo,
    ImportItem,
    VideoFacts,
    as_float32,
    videos_in_files,
)
from extract.settings import RgbSettings
from seds_core.errors import ImportedFileError, UsageError
from seds_core.store.provenance import ClipRules, ImportedFrom, Provenance, TimelineRules
from seds_core.tables import TableError, TableRow, WrongLine, open_table
from seds_core.video_id import video_id_of

# FROM extract/imports/features/frame_map.py
# The frame map: a CSV file that says of which frames each row of imported features is.
#
# It has one line for each clip, with the columns ``video_id``; ``clip``, 0, 1, ... in the order of
# the array's rows; ``num_frames``, the frames of the whole video; and either ``first_frame`` and
# ``frame_step`` or ``frames``, the numbers of the clip's frames from 0, separated by spaces.


COLUMNS = (
    "a CSV file with one line for each clip and the columns video_id, clip (0, 1, ... in the order "
    "of the array's rows), num_frames (of the whole video), and either first_frame and frame_step "
    "or frames (numbers of the clip's frames from 0, separated by spaces)"
)
"""For messages: what a frame map is."""


class FrameMapError(UsageError):
    """A frame map that cannot be used; the message names the file, the line and what to change."""


@dataclass(frozen=True)
class MappedClips:
    """What the map says of one video; nothing has been checked but that all are numbers."""

    clip: Int32[np.ndarray, " clip"]
    num_frames: Int32[np.ndarray, " clip"]
    first_frame: Int32[np.ndarray, " clip"]
    frame_step: Int32[np.ndarray, " clip"]
    """0 where ``frames`` says it."""
    frames: Int32[np.ndarray, "clip frame"]
    """Without columns where ``first_frame`` and ``frame_step`` say it."""


@dataclass(frozen=True)
class FrameMap:
    """The lines of a frame map by video."""

    clip_frames: int
    """Frames that every line names; 0 for a map with ``first_frame`` and ``frame_step``."""
    lines: dict[str, Int32[np.ndarray, "clip _"]]
    """Columns ``clip``, ``num_frames``, ``first_frame``, ``frame_step``, and one for each frame."""

    @property
    def max_clips(self) -> int:
        """Lines of the video that has the most."""
        return max(map(len, self.lines.values()))

    def of(self, video_id: str) -> MappedClips:
        """The lines of a video, in the order of the file; ``KeyError`` for one without any."""
        numbers = self.lines[video_id]
        clip, num_frames, first_frame, frame_step = numbers[:, :4].T
        return MappedClips(clip, num_frames, first_frame, frame_step, numbers[:, 4:])


def read_frame_map(path: Path) -> FrameMap:
    """Reads a map. Raises :class:`FrameMapError` for what is missing or no number."""
    numbers_of: dict[str, array[int]] = defaultdict(lambda: array("i"))
    clip_frames = 0
    try:
        with open_table(path) as table:
            has_frames = _check_columns(path, table.columns)
            for row in table.rows():
                if isinstance(row, WrongLine):
                    raise FrameMapError(f"{path}, line {row.line}: {row.problem}")
                numbers = _numbers(path, row, has_frames=has_frames)
                clip_frames = clip_frames or len(numbers) - 4
                if len(numbers) - 4 != clip_frames:
                    raise FrameMapError(
                        f"{path}, line {row.line}: the clip has {len(numbers) - 4} frames, "
                        f"others have {clip_frames}; repeat the last frame of a short one"
                    )
                numbers_of[video_id_of(row.fields["video_id"])].extend(numbers)
    except TableError as error:
        raise FrameMapError(f"the frame map {error}") from None
    if not numbers_of:
        raise FrameMapError(f"the frame map {path} lists no clips")
    lines = {
        video_id: np.array(numbers, np.int32).reshape(-1, 4 + clip_frames)
        for video_id, numbers in numbers_of.items()
    }
    return FrameMap(clip_frames, lines)


def _check_columns(path: Path, found: Collection[str]) -> bool:
    """Whether the map has the column ``frames``."""
    has_frames = "frames" in found
    place = ["frames"] if has_frames else ["first_frame", "frame_step"]
    missing = [name for name in ("video_id", "clip", "num_frames", *place) if name not in found]
    if missing:
        raise FrameMapError(
            f"the frame map {path} lacks the columns {', '.join(missing)}: it must be {COLUMNS}"
        )
    return has_frames


def _numbers(path: Path, row: TableRow, *, has_frames: bool) -> list[int]:
    line = row.fields
    try:
        if has_frames:
            frames = line["frames"].split()
            place = [frames[0], "0", *frames]
        else:
            place = [line["first_frame"], line["frame_step"]]
        numbers = [int(text) for text in (line["clip"], line["num_frames"], *place)]
        if max(map(abs, numbers)) >= 2**31:
            raise ValueError("a number is beyond int32")
        return numbers
    except (ValueError, IndexError):
        raise FrameMapError(
            f"{path}, line {row.line}: the clip, its num_frames or its frames are no numbers"
        ) from None


def check_clips(path: Path, clips: MappedClips, num_rows: int, clip_length: int) -> None:
    """Raises :class:`ImportedFileError`, of the features' ``path``, for the first contradiction.

    There must be as many clips as rows, numbered 0, 1, ..., each beginning later than the one
    before, and all within the video.
    """
    num_clips = len(clips.clip)
    num_frames = int(clips.num_frames[0])
    problems = {
        f"has {num_rows} rows, and the frame map has {num_clips} clips": num_clips != num_rows,
        "its clips are not numbered 0, 1, ... in the frame map": (
            clips.clip.tolist() != list(range(num_clips))
        ),
        "the frame map has several num_frames of it": (clips.num_frames != num_frames).any(),
        "a clip does not begin later than the one before": (
            (clips.first_frame[1:] <= clips.first_frame[:-1]).any()
        ),
        "a clip begins before frame 0": clips.first_frame[0] < 0,
    }
    found = next((problem for problem, is_found in problems.items() if is_found), None)
    found = found or (
        _named_frames_problem(clips, num_frames)
        if clips.frames.size
        else _even_frames_problem(clips, num_frames, clip_length)
    )
    if found:
        raise ImportedFileError(path, found)


def _named_frames_problem(clips: MappedClips, num_frames: int) -> str | None:
    if (clips.frames[:, 1:] < clips.frames[:, :-1]).any():
        return "the frames of a clip do not ascend"
    if clips.frames.max() >= num_frames:
        return f"the frame map names frame {clips.frames.max()} of {num_frames} (from 0)"
    return None


def _even_frames_problem(clips: MappedClips, num_frames: int, clip_length: int) -> str | None:
    """Clips begin at frames of the timeline (every ``frame_step``-th), and end within it.

    A timeline shorter than a clip is one clip, whose last frame counts several times.
    """
    step = int(clips.frame_step[0])
    if step < 1 or (clips.frame_step != step).any():
        return "its frame_step is not one number of at least 1"
    if (clips.first_frame % step).any():
        return f"a clip begins at a frame that is no multiple of its frame_step {step}"
    timeline = max(clip_length, -(-num_frames // step))
    last = int(clips.first_frame[-1])
    if num_frames < 1 or last // step + clip_length > timeline:
        return (
            f"its last clip, {clip_length} frames from frame {last} on, ends after its "
            f"{num_frames} frames"
        )
    return None


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
        return Provenance.imported(
            self._source,
            ImportedFrom(format="npy"),
            timeline=TimelineRules(max_frames=None, folder_fps=self._folder_fps),
            rgb=ClipRules(
                clip_length=self._map.clip_frames or rgb.clip_length,
                clips="planned",
                max_clips=rgb.max_clips,
                frames=rgb.frames,
                hand_rules=rgb.hand_rules,
            ),
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
