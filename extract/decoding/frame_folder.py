"""A folder of frame images as a source of frames (PHOENIX-2014T, CSL-Daily)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from extract.decoding.frame import Frame, Progress, unwatched
from extract.decoding.video_error import VideoError
from extract.decoding.video_part import WHOLE, VideoPart, part_frames
from extract.decoding.video_properties import MAX_PIXELS, VideoProperties, over_size_limit

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".webp"))


def image_files(folder: Path) -> list[Path]:
    """The images of a folder in natural order: ``9.png`` before ``10.png``.

    Other files, hidden files and folders are passed over. Raises ``VideoError`` without any image.
    """
    try:
        children = [child for child in folder.iterdir() if not child.name.startswith(".")]
    except PermissionError:
        raise VideoError(folder, "permission denied: the folder may not be read") from None
    images = [child for child in children if child.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise VideoError(folder, f"is a folder without images ({suffixes})")
    return sorted(images, key=_natural_key)


class FrameFolder:
    """The images of a folder, one frame each.

    Pillow reads them: unlike OpenCV it refuses an image that is cut off.
    """

    def __init__(
        self, folder: Path, fps: float, max_pixels: int = MAX_PIXELS, part: VideoPart = WHOLE
    ) -> None:
        """Looks at the first image of a part.

        Raises ``VideoError`` when there is none or it is too large, and for a part that the folder
        has not got.
        """
        self._folder = folder
        images = image_files(folder)
        numbers = part_frames(part, folder, fps, len(images))
        self._images = images[numbers.start : numbers.stop]
        width, height = self._size_of_first(max_pixels)
        self._properties = VideoProperties(
            width=width,
            height=height,
            fps=fps,
            num_frames=len(self._images),
            duration=len(self._images) / fps,
            rotation=0,
            codec=self._images[0].suffix.lower().lstrip("."),
            decoder="pillow",
        )

    @property
    def properties(self) -> VideoProperties:
        """The number of images, the size of the first one, and the frame rate that was given."""
        return self._properties

    def frames(self, progress: Progress = unwatched) -> Iterator[Frame]:
        """Reads the images. Raises ``VideoError`` for one that is damaged or of another size."""
        expected = self._properties.width, self._properties.height
        for path in self._images:
            with self._opened(path) as image:
                size = _upright_size(image)  # known before any pixel takes memory
                if size != expected:
                    raise VideoError(
                        self._folder,
                        f"{path.name} is {size[0]}x{size[1]} pixels, "
                        f"{self._images[0].name} is {expected[0]}x{expected[1]}",
                    )
                frame = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
            progress()
            yield frame

    def _size_of_first(self, max_pixels: int) -> tuple[int, int]:
        with self._opened(self._images[0]) as image:
            width, height = _upright_size(image)
        if width * height > max_pixels:
            raise VideoError(self._folder, over_size_limit(width, height, max_pixels))
        return width, height

    @contextmanager
    def _opened(self, path: Path) -> Iterator[Image.Image]:
        """An image, for as long as it is read; whatever is wrong with it becomes ``VideoError``."""
        try:
            with Image.open(path) as image:
                yield image
        except _IMAGE_ERRORS as error:
            raise VideoError(self._folder, f"{path.name} is no readable image: {error}") from error


_IMAGE_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises for damaged images, depending on the format."""

_EXIF_ORIENTATION = 0x0112
_ON_ITS_SIDE = (5, 6, 7, 8)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    is_on_its_side = image.getexif().get(_EXIF_ORIENTATION) in _ON_ITS_SIDE
    return (height, width) if is_on_its_side else (width, height)


def _natural_key(path: Path) -> tuple[list[int | str], str]:
    """Numbers compare as numbers. Text and numbers alternate, so they never meet each other."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name
