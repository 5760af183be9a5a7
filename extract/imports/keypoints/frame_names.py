"""Which frame of a video an image's name stands for: ``images0001.png`` and the like."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from extract.imports.keypoints.keypoint_video import MAX_FRAMES

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
        before, digits, after = min(parts, key=lambda part: int(part[1]))
        if int(digits) > 1:
            raise ValueError(f"its images are numbered from {int(digits)} on, not from 0 or 1")
        width = f"0{len(digits)}" if len(digits) > 1 else ""
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


PUBLISHED_NAMES = FrameNames("images%04d.png", 1)
"""Those of PHOENIX-2014T."""


def _parts(name: str) -> tuple[str, str, str]:
    """What stands before the last number of a name, its digits, and the rest."""
    stem, ending = os.path.splitext(name)
    numbers = list(_NUMBER.finditer(stem))
    if not numbers or len(numbers[-1][0]) > _MAX_DIGITS:
        raise ValueError(f"its image {name[:100]!r} has no number that a frame may have")
    last = numbers[-1]
    return stem[: last.start()], last[0], stem[last.end() :] + ending
