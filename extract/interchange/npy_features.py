"""Features as .npy files, and the frame map, a CSV that says which frames they belong to.

The map has one line for each clip, with the columns ``video_id``; ``clip``, 0, 1, ... in the order
of the array's rows; ``num_frames``, the frames of the whole video; and either ``first_frame`` and
``frame_step`` or ``frames``, the numbers of the clip's frames from 0, separated by spaces.
"""

from array import array
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32

from extract.interchange.imported import (
    Facts,
    ImportedFiles,
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

# What is read; all become float32, and float64 numbers that this rounds are counted.
DTYPES = ("float16", "float32", "float64")

# For messages: what a frame map is.
FRAME_MAP = (
    "a CSV file with one line for each clip and the columns video_id, clip (0, 1, ... in the order "
    "of the array's rows), num_frames (of the whole video), and either first_frame and frame_step "
    "or frames (numbers of the clip's frames from 0, separated by spaces)"
)


def open_npy(
    source: Path, frame_map: Path | None, facts: Facts, rgb: RgbSettings, *, folder_fps: float
) -> ImportedFiles:
    """Opens ``<source>/**/<video>.npy`` of shape (clip, rgb), one row a clip.

    A video's id in the map is its path below ``source`` without ``.npy``, or the file's name
    alone. Videos without known facts have the frame rate ``folder_fps`` and the size 0, as features
    need none. The settings bound the clips of a video, say how long a clip is where the map names
    its first frame only, and what its frames were chosen by. Raises ``UsageError`` where there is
    no map, no file of features, or the settings forbid it.
    """
    if frame_map is None:
        raise UsageError(
            f"features alone do not say which frames they show: give --frame-map FILE, {FRAME_MAP}"
        )
    clips = read_frame_map(frame_map)
    _refuse_settings(frame_map, clips, rgb)
    clip_frames = next(iter(clips.values())).frames.shape[1]
    items = _items(source, clips)
    feature_dim = _feature_dim(source, items)

    def read(item: ImportItem) -> ImportedVideo:
        features, num_rounded = _features(item.path, feature_dim)
        if item.video_id not in clips:
            raise ImportedFileError(item.path, f"the frame map has no video '{item.video_id}'")
        mapped = clips[item.video_id]
        check_clips(item.path, mapped, len(features), rgb.clip_length)
        try:
            known = facts(item.video_id)
        except LookupError:
            known = VideoFacts(0, 0, folder_fps)
        rows = {"features": features, "first_frame": mapped.first_frame}
        rows |= {"frame_step": mapped.frame_step} | (
            {"frames": mapped.frames} if clip_frames else {}
        )
        return ImportedVideo(
            rows=rows,
            num_frames=int(mapped.num_frames[0]),
            frame_step=max(1, int(mapped.frame_step[0])),
            fps=known.fps,
            width=known.width,
            height=known.height,
            num_rounded=num_rounded,
        )

    provenance = Provenance.imported(
        source,
        ImportedFrom(format="npy"),
        timeline=TimelineRules(max_frames=None, folder_fps=folder_fps),
        rgb=ClipRules(
            clip_length=clip_frames or rgb.clip_length,
            clips="planned",
            max_clips=rgb.max_clips,
            frames=rgb.frames,
            hand_rules=rgb.hand_rules,
        ),
        feature_dim=feature_dim,
        clip_frames=clip_frames,
    )
    return ImportedFiles(provenance, items, read)


class FrameMapError(UsageError):
    """A frame map that cannot be used; the message names the file, the line and what to change."""


@dataclass(frozen=True)
class MappedClips:
    """What the map says of one video, in the order of its lines; all are numbers, but unchecked."""

    clip: Int32[np.ndarray, " clip"]
    num_frames: Int32[np.ndarray, " clip"]
    first_frame: Int32[np.ndarray, " clip"]
    frame_step: Int32[np.ndarray, " clip"]
    """0 where ``frames`` says it."""
    frames: Int32[np.ndarray, "clip frame"]
    """Without columns where ``first_frame`` and ``frame_step`` say it."""


def read_frame_map(path: Path) -> dict[str, MappedClips]:
    """Reads a map by video id, all with the same number of ``frames`` columns.

    Raises :class:`FrameMapError` for missing columns and values that are no numbers.
    """
    # A video's numbers, line after line: maps have millions of lines.
    lines_of: dict[str, array[int]] = defaultdict(lambda: array("i"))
    clip_frames = 0
    try:
        with open_table(path) as table:
            has_frames = "frames" in table.columns
            position = ("frames",) if has_frames else ("first_frame", "frame_step")
            needed = ("video_id", "clip", "num_frames", *position)
            if missing := [name for name in needed if name not in table.columns]:
                raise FrameMapError(
                    f"the frame map {path} lacks the columns {', '.join(missing)}: it must be "
                    f"{FRAME_MAP}"
                )
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
                lines_of[video_id_of(row.fields["video_id"])].extend(numbers)
    except TableError as error:
        raise FrameMapError(f"the frame map {error}") from None
    if not lines_of:
        raise FrameMapError(f"the frame map {path} lists no clips")
    clips = {}
    for video_id, values in lines_of.items():
        lines = np.array(values, np.int32).reshape(-1, 4 + clip_frames)
        clip, num_frames, first_frame, frame_step = lines[:, :4].T
        clips[video_id] = MappedClips(clip, num_frames, first_frame, frame_step, lines[:, 4:])
    return clips


def _numbers(path: Path, row: TableRow, *, has_frames: bool) -> list[int]:
    """A line's clip, num_frames, first_frame, frame_step and frames."""
    line = row.fields
    try:
        if has_frames:
            frames = line["frames"].split()
            position = [frames[0], "0", *frames]
        else:
            position = [line["first_frame"], line["frame_step"]]
        numbers = [int(text) for text in (line["clip"], line["num_frames"], *position)]
        if max(map(abs, numbers)) >= 2**31:
            raise ValueError("a number is beyond int32")
        return numbers
    except (ValueError, IndexError):
        raise FrameMapError(
            f"{path}, line {row.line}: the clip, its num_frames or its frames are no numbers"
        ) from None


def _refuse_settings(path: Path, clips: dict[str, MappedClips], rgb: RgbSettings) -> None:
    """Raises ``UsageError`` where the pipeline's settings contradict the map."""
    most = max(len(mapped.clip) for mapped in clips.values())
    if most > rgb.max_clips:
        raise UsageError(
            f"{path} has a video of {most} clips, and the pipeline allows {rgb.max_clips}: set "
            f"extract.rgb.max_clips to {most}"
        )
    if rgb.frames == "hands" and not next(iter(clips.values())).frames.size:
        raise UsageError(
            "the pipeline's extract.rgb.frames is 'hands', which leaves out frames without hands: "
            f"{path} must name every frame of a clip in the column frames, or set it to 'all'"
        )


def check_clips(path: Path, clips: MappedClips, num_rows: int, clip_length: int) -> None:
    """Raises :class:`ImportedFileError`, of the features' ``path``, for the first contradiction.

    There must be as many clips as rows, numbered 0, 1, ..., each beginning later than the one
    before, and all within the video.
    """
    num_clips = len(clips.clip)
    num_frames = int(clips.num_frames[0])
    # Every problem is looked for, and the first one that is found is told.
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
    if clips.frames.size:
        last = clips.frames.max()
        problems |= {
            "the frames of a clip do not ascend": (
                (clips.frames[:, 1:] < clips.frames[:, :-1]).any()
            ),
            f"the frame map names frame {last} of {num_frames} (from 0)": last >= num_frames,
        }
    else:
        # Clips begin at frames of the timeline (every frame_step-th), and end within it; a
        # timeline shorter than a clip is one clip, whose last frame counts several times.
        step = max(1, int(clips.frame_step[0]))
        last = int(clips.first_frame[-1])
        timeline = max(clip_length, -(-num_frames // step))
        problems |= {
            "its frame_step is not one number of at least 1": (clips.frame_step != step).any(),
            f"a clip begins at a frame that is no multiple of its frame_step {step}": (
                (clips.first_frame % step).any()
            ),
            f"its last clip, {clip_length} frames from frame {last} on, ends after its "
            f"{num_frames} frames": num_frames < 1 or last // step + clip_length > timeline,
        }
    if found := next((problem for problem, is_found in problems.items() if is_found), None):
        raise ImportedFileError(path, found)


def _items(source: Path, clips: dict[str, MappedClips]) -> list[ImportItem]:
    """The ``.npy`` files, and the mapped videos without one, by name."""
    files: dict[str, Path] = {}
    for item in videos_in_files(source, ".npy"):
        video_id = item.video_id if item.video_id in clips else item.path.stem
        other = files.setdefault(video_id, item.path)
        if other != item.path:
            raise UsageError(f"{other} and {item.path} are both of the video '{video_id}'")
    for video_id in clips.keys() - files.keys():
        files[video_id] = source / f"{video_id}.npy"
    return [ImportItem(video_id, files[video_id]) for video_id in sorted(files)]


def _feature_dim(source: Path, items: list[ImportItem]) -> int:
    """The width of the first file that can be read; those before it fail when it is their turn."""
    for item in items:
        try:
            return _mapped_array(item.path).shape[1]
        except ImportedFileError:
            continue
    raise UsageError(f"none of the .npy files below {source} holds features (clip, rgb)")


def _features(path: Path, feature_dim: int) -> tuple[Float32[np.ndarray, "clip rgb"], int]:
    """The features, and how many numbers changed when they became float32."""
    features, num_rounded = as_float32(np.array(_mapped_array(path)))
    if not np.isfinite(features).all():
        raise ImportedFileError(path, "holds NaN or infinite numbers, or some beyond float32")
    if features.shape[1] != feature_dim:
        raise ImportedFileError(
            path, f"has features of {features.shape[1]} numbers, others have {feature_dim}"
        )
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
