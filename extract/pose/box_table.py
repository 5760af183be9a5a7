"""Reads the signer's boxes from a table that the user made: one CSV file for a whole data set."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from extract.pose.estimate import FoundBoxes, NoBoxError
from seds_core.errors import UsageError
from seds_core.tables import WrongLine, open_table
from seds_core.video_id import video_id_of

COLUMNS = ("video_id", "frame", "left", "top", "right", "bottom")

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class VideoBoxes:
    """The boxes of one video, in pixels."""

    every_frame: Box | None = None
    """From a row whose frame is empty or ``*``: for all frames without a row of their own."""
    by_frame: dict[int, Box] = field(default_factory=dict)
    """Frame of the video, from 0 -> box."""


class TableBoxes:
    """The boxes of one video from the table; a frame without a box has nobody in it."""

    required_confidence = 0.0

    def __init__(self, video: VideoBoxes, frame_step: int) -> None:
        """Answer for frames 0, ``frame_step``, 2 ``frame_step``, ... of the video."""
        self._video = video
        self._frame_step = frame_step
        self._next_frame = 0

    def boxes(self, frames: UInt8[np.ndarray, "frame height width channel=3"]) -> FoundBoxes:
        """The boxes in the frames that follow those of the previous call."""
        boxes = np.stack([self._box(index) for index in range(len(frames))])
        self._next_frame += len(frames)
        return FoundBoxes(boxes, ~np.isnan(boxes[:, 0]))

    def _box(self, index: int) -> Float32[np.ndarray, " box=4"]:
        frame = (self._next_frame + index) * self._frame_step
        box = self._video.by_frame.get(frame, self._video.every_frame)
        return np.full(4, np.nan, np.float32) if box is None else np.array(box, np.float32)


class BoxTable:
    """All videos of a box file."""

    def __init__(self, path: Path) -> None:
        """Read and check the file; ``UsageError`` names the line that is wrong."""
        self._path = path
        self._videos = _read(path)

    def for_video(self, video_id: str, frame_step: int) -> TableBoxes:
        """The boxes of one video of which every ``frame_step``-th frame will be asked for.

        Raises ``NoBoxError`` for a video that the file does not name.
        """
        if video_id not in self._videos:
            raise NoBoxError(f"{self._path} has no box for video '{video_id}'")
        return TableBoxes(self._videos[video_id], frame_step)


def _read(path: Path) -> dict[str, VideoBoxes]:
    rows: dict[str, dict[int | None, Box]] = {}
    with open_table(path) as table:
        if not set(COLUMNS) <= set(table.columns):
            raise UsageError(
                f"{path}, line 1: expected the columns {','.join(COLUMNS)}, "
                f"found {table.header or 'nothing'}"
            )
        for row in table.rows():
            if isinstance(row, WrongLine):
                raise UsageError(f"{path}, line {row.line}: {row.problem}")
            _add_row(rows, row.fields, f"{path}, line {row.line}")
    return {video_id: _video_boxes(boxes) for video_id, boxes in rows.items()}


def _add_row(rows: dict[str, dict[int | None, Box]], fields: Mapping[str, str], place: str) -> None:
    video_id, frame_text, *numbers = (fields[name] for name in COLUMNS)
    frame = _frame(frame_text, place)
    boxes = rows.setdefault(video_id_of(video_id), {})
    if frame in boxes:
        which = "all frames" if frame is None else f"frame {frame}"
        raise UsageError(f"{place}: a second box for {which} of video '{video_id}'")
    boxes[frame] = _box(numbers, place)


def _video_boxes(boxes: dict[int | None, Box]) -> VideoBoxes:
    by_frame = {frame: box for frame, box in boxes.items() if frame is not None}
    return VideoBoxes(boxes.get(None), by_frame)


def _frame(text: str, place: str) -> int | None:
    if text in ("", "*"):
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{place}: frame must be a number from 0, or * for all; found '{text}'")
    return int(text)


def _box(numbers: list[str], place: str) -> Box:
    try:
        left, top, right, bottom = map(float, numbers)
    except ValueError:
        raise UsageError(f"{place}: a box needs four numbers, found {','.join(numbers)}") from None
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise UsageError(f"{place}: a box needs finite numbers, found {','.join(numbers)}")
    if right <= left or bottom <= top:
        raise UsageError(
            f"{place}: right must exceed left and bottom top, found {','.join(numbers)}"
        )
    return left, top, right, bottom
