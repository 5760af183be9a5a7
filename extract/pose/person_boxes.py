"""Where the signer is in each frame: the whole frame, or boxes from the user's own table.

The table is one CSV file for a whole data set. Boxes that a network finds are
:mod:`extract.pose.person_detector`'s.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from seds_core.errors import UsageError
from seds_core.tables import WrongLine, open_table
from seds_core.video_id import video_id_of

COLUMNS = ("video_id", "frame", "left", "top", "right", "bottom")

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True)
class FoundBoxes:
    """The signer's box in consecutive frames."""

    boxes: Float32[np.ndarray, "frame box=4"]
    """Left, top, right, bottom in pixels; NaN where no person was found."""
    is_found: Bool[np.ndarray, " frame"]


@runtime_checkable  # beartype asks isinstance
class PersonBoxes(Protocol):
    """The signer's boxes in one video; an object serves one video, front to back."""

    @property
    def required_confidence(self) -> float:
        """Mean confidence of the upper body from which a box truly holds a person: 0 where the box
        itself says so."""

    def boxes(
        self,
        frames: UInt8[np.ndarray, "frame height width channel=3"],
        numbers: Sequence[int],
        size: tuple[int, int],
    ) -> FoundBoxes:
        """Returns the boxes in the frames that follow those of the previous call.

        ``numbers`` are theirs in the video, ``size`` is the width and height of its frames.
        """


PersonBoxSource = Callable[[str], PersonBoxes]
"""From a video's id to its boxes; raises :class:`NoBoxError`."""


class NoBoxError(LookupError):
    """The source of boxes knows nothing of a video; the message says so."""


class KnownBoxes(ABC):
    """Boxes that are known before a frame is seen, so that decoders can cut them out."""

    required_confidence: float

    @abstractmethod
    def box(self, number: int, size: tuple[int, int]) -> Box | None:
        """The box in the video's frame ``number``, of a width and height, if it shows a person."""

    def boxes(
        self,
        _: UInt8[np.ndarray, "frame height width channel=3"],
        numbers: Sequence[int],
        size: tuple[int, int],
    ) -> FoundBoxes:
        """The boxes in frames of these numbers; the frames themselves may be regions already."""
        boxes = np.full((len(numbers), 4), np.nan, np.float32)
        for place, number in enumerate(numbers):
            found = self.box(number, size)
            if found is not None:
                boxes[place] = found
        return FoundBoxes(boxes, ~np.isnan(boxes[:, 0]))


@dataclass(frozen=True)
class WholeFrameBoxes(KnownBoxes):
    """The whole image is the signer's box; the keypoints must say whether a person is there."""

    required_confidence: float

    def box(self, _: int, size: tuple[int, int]) -> Box:
        """One and the same for all frames."""
        width, height = size
        return 0.0, 0.0, float(width), float(height)


@dataclass(frozen=True)
class TableBoxes(KnownBoxes):
    """The boxes of one video from the table; a frame without a box shows no person."""

    of_frame: Mapping[int | None, Box]
    """The key ``None`` is for all frames of the video without a box of their own."""

    required_confidence = 0.0

    def box(self, number: int, _: tuple[int, int]) -> Box | None:
        """A row for one frame wins over the row for all frames."""
        return self.of_frame.get(number, self.of_frame.get(None))


class BoxTable:
    """All videos of a box file."""

    def __init__(self, path: Path) -> None:
        """Reads and checks the file; raises ``UsageError`` that names the line that is wrong."""
        self._path = path
        self._videos: dict[str, dict[int | None, Box]] = {}
        with open_table(path) as table:
            if not set(COLUMNS) <= set(table.columns):
                raise UsageError(
                    f"{path}, line 1: expected the columns {','.join(COLUMNS)}, "
                    f"found {table.header or 'nothing'}"
                )
            for row in table.rows():
                if isinstance(row, WrongLine):
                    raise UsageError(f"{path}, line {row.line}: {row.problem}")
                self._add(row.fields, f"{path}, line {row.line}")

    def for_video(self, video_id: str) -> TableBoxes:
        """Returns the boxes of one video; raises ``NoBoxError`` for one that is not named."""
        if video_id not in self._videos:
            raise NoBoxError(f"{self._path} has no box for video '{video_id}'")
        return TableBoxes(self._videos[video_id])

    def _add(self, fields: Mapping[str, str], line: str) -> None:
        video_id, frame_text, *numbers = (fields[name] for name in COLUMNS)
        frame = None
        if frame_text not in ("", "*"):
            # ``isdigit`` alone takes superscripts too, and digits of other scripts.
            if not (frame_text.isascii() and frame_text.isdigit()):
                raise UsageError(
                    f"{line}: frame must be a number from 0, or * for all; found '{frame_text}'"
                )
            frame = int(frame_text)
        # Ids are compared in one Unicode form, as everywhere.
        boxes = self._videos.setdefault(video_id_of(video_id), {})
        if frame in boxes:
            which = "all frames" if frame is None else f"frame {frame}"
            raise UsageError(f"{line}: a second box for {which} of video '{video_id}'")
        boxes[frame] = _box(numbers, line)


def _box(numbers: list[str], line: str) -> Box:
    found = ",".join(numbers)
    try:
        left, top, right, bottom = map(float, numbers)
    except ValueError:
        raise UsageError(f"{line}: a box needs four numbers, found {found}") from None
    # float() also takes nan and inf.
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise UsageError(f"{line}: a box needs finite numbers, found {found}")
    if right <= left or bottom <= top:
        raise UsageError(f"{line}: right must exceed left and bottom top, found {found}")
    return left, top, right, bottom
