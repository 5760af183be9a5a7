"""Frames cut out of larger ones, and brought to one size."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from extract.decoding.frame import Frame, Progress, unwatched
from extract.decoding.video_error import VideoError
from extract.decoding.video_part import Crop
from extract.decoding.video_properties import VideoProperties


@runtime_checkable
class _Frames(Protocol):
    """What is cut: the frames of a video."""

    @property
    def properties(self) -> VideoProperties:
        """Of the frames as they are."""

    def frames(self, progress: Progress = unwatched) -> Iterator[Frame]:
        """One after the other."""


class CroppedFrames:
    """The frames of a video, cropped and then resized, as the video's own.

    Bicubic, as Pillow does it without being told otherwise: so were the published How2Sign clips
    made.
    """

    def __init__(
        self, path: Path, source: _Frames, crop: Crop | None, size: tuple[int, int] | None
    ) -> None:
        """Raises ``VideoError`` when the frames of the video at ``path`` have no such rectangle."""
        properties = source.properties
        whole = Crop(0, 0, properties.width, properties.height)
        self._source, self._crop = source, crop or whole
        width = len(range(properties.width)[self._crop.columns()])
        height = len(range(properties.height)[self._crop.rows()])
        if not width * height:
            frames = f"frames of {properties.width}x{properties.height} pixels"
            raise VideoError(path, f"the crop {crop} lies outside the {frames}")
        self._size = size or (width, height)
        self._properties = replace(properties, width=self._size[0], height=self._size[1])

    @property
    def properties(self) -> VideoProperties:
        """Those of the video, with the size of its cropped frames."""
        return self._properties

    def frames(self, progress: Progress = unwatched) -> Iterator[Frame]:
        """The frames one after the other. Raises ``VideoError`` like the source."""
        for frame in self._source.frames(progress):
            region = np.ascontiguousarray(frame[self._crop.rows(), self._crop.columns()])
            if region.shape[1::-1] == self._size:
                yield region
            else:
                yield np.asarray(Image.fromarray(region).resize(self._size))
