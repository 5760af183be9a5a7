"""A folder of frame images as a source of frames (PHOENIX-2014T, CSL-Daily)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from extract.decoding.frame import Frame, Progress, unwatched
from extract.decoding.frame_numbers import IMAGE_SUFFIXES, FrameNames, frame_names, frame_notes
from extract.decoding.video_error import VideoError
from extract.decoding.video_part import WHOLE, VideoPart, part_frames
from extract.decoding.video_properties import MAX_PIXELS, VideoProperties, over_size_limit

_AS_THEY_ARE = frozenset(("1", "L", "LA", "P", "PA", "RGB", "RGBX", "RGBA", "CMYK", "YCbCr", "HSV"))
"""Pillow's kinds of pixels of 8 bits a value, or fewer; what is transparent shows its colour."""


def image_files(folder: Path) -> list[Path]:
    """The images of a folder that are its frames, in natural order.

    Other files, hidden files and folders are passed over. Raises ``VideoError`` without any image.
    """
    return [folder / name for name in _frame_names(folder).frames]


def _frame_names(folder: Path) -> FrameNames:
    try:
        names = frame_names(child.name for child in folder.iterdir())
    except PermissionError:
        raise VideoError(folder, "permission denied: the folder may not be read") from None
    if not names.frames:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise VideoError(folder, f"is a folder without images ({suffixes})")
    return names


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
        names = _frame_names(folder)
        numbers = part_frames(part, folder, fps, len(names.frames))
        names = replace(names, frames=names.frames[numbers.start : numbers.stop])
        self._images = [folder / name for name in names.frames]
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
            notes=frame_notes(names),
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
                frame = _rgb(ImageOps.exif_transpose(image), image.format)
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


def _rgb(image: Image.Image, file_format: str | None) -> Frame:
    """An image's pixels; ``ValueError`` for those whose range of values nobody knows."""
    if image.mode.startswith("I;16") or (image.mode == "I" and file_format == "PNG"):
        # Pillow clips these when it converts them; of 16-bit colours it takes the upper byte too.
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode not in _AS_THEY_ARE:
        raise ValueError(f"its pixels are of the kind '{image.mode}'; save it with 8 bits a colour")
    return np.asarray(image.convert("RGB"))
