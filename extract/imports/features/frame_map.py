"""The frame map: a CSV file that says of which frames each row of imported features is.

It has one line for each clip, with the columns ``video_id``; ``clip``, 0, 1, ... in the order of
the array's rows; ``num_frames``, the frames of the whole video; and either ``first_frame`` and
``frame_step`` or ``frames``, the numbers of the clip's frames from 0, separated by spaces.
"""

from array import array
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from seds_core.errors import UsageError
from seds_core.tables import TableError, TableRow, WrongLine, open_table
from seds_core.video_id import video_id_of

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
