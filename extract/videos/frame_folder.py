"""A folder of frame images as a source of frames (PHOENIX-2014T, CSL-Daily).

Frames are numbered: ``images0001.png``, ``000001.jpg``, ``frame_12.png``, ``frame (7).png``. Their
names differ in numbers only; what lies beside them, such as a cover, does not.
"""

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path, PurePath

import numpy as np
from PIL import Image, ImageOps

from extract.videos.frame import Frame, Progress, unwatched
from extract.videos.part import (
    MAX_PIXELS,
    WHOLE,
    VideoError,
    VideoPart,
    VideoProperties,
    over_limit,
    over_size_limit,
    part_frames,
)

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".webp"))

_DIGITS = re.compile(r"([0-9]+)")
_EXAMPLES = 5

# Pillow's kinds of pixels of 8 bits a value, or fewer; what is transparent shows its colour.
_AS_THEY_ARE = frozenset(("1", "L", "LA", "P", "PA", "RGB", "RGBX", "RGBA", "CMYK", "YCbCr", "HSV"))

# What Pillow raises for damaged images, depending on the format.
_IMAGE_ERRORS = (OSError, SyntaxError, ValueError)

# EXIF's tag of the orientation, and those of its values that exchange width and height.
_EXIF_ORIENTATION = 0x0112
_ON_ITS_SIDE = (5, 6, 7, 8)


@dataclass(frozen=True)
class FrameNames:
    """The images of a folder, told apart."""

    frames: tuple[str, ...]
    """The names of the frames in natural order, ``9.png`` before ``10.png``: a numbered series, or
    all images where there is none."""
    strays: tuple[str, ...] = ()
    """The few images beside a numbered series."""
    is_numbered: bool = False


def frame_names(names: Iterable[str]) -> FrameNames:
    """Tells the images among the names of a folder's files apart; hidden files are passed over.

    A numbered series has two images at least, and at most a tenth of all images, or a single one,
    are none of it.

    >>> frame_names(["10.png", "9.png", "cover.png", "notes.txt"])
    FrameNames(frames=('9.png', '10.png'), strays=('cover.png',), is_numbered=True)
    """

    def natural_key(name: str) -> tuple[list[int | str], str]:
        # Numbers compare as numbers. Text and numbers alternate, so they never meet each other.
        parts = _DIGITS.split(name)
        return [int(part) if i % 2 else part for i, part in enumerate(parts)], name

    # The form that most names have is that of the series.
    images = sorted(filter(is_image, names), key=natural_key)
    forms = Counter(map(_form, images))
    form, count = forms.most_common(1)[0] if forms else ("", 0)
    is_series = count > 1 and _DIGITS.search(PurePath(form).stem)
    if not is_series or len(images) - count > max(1, len(images) // 10):
        return FrameNames(tuple(images))
    frames = tuple(name for name in images if _form(name) == form)
    strays = tuple(name for name in images if _form(name) != form)
    return FrameNames(frames, strays, is_numbered=True)


def is_image(name: str) -> bool:
    """Whether a name is that of an image which is not hidden."""
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")


def frame_notes(names: FrameNames) -> tuple[str, ...]:
    """What the user should know of the images of a folder, in sentences."""
    numbers: list[int] = []
    if names.is_numbered:
        # The one number that tells frames apart; none where several do, such as times.
        rows = [map(int, re.findall(r"[0-9]+", PurePath(name).stem)) for name in names.frames]
        counting = [column for column in zip(*rows, strict=True) if len(set(column)) > 1]
        numbers = sorted(counting[0]) if len(counting) == 1 else []
    steps = Counter(after - before for before, after in pairwise(numbers))
    twice = [before for before, after in pairwise(numbers) if after == before]
    # Equal numbers are no step: they are told of by themselves.
    del steps[0]
    # A gap is measured in usual steps: of every fifth frame none is missing. Of equally common
    # steps the smallest is the usual one.
    usual = min(steps, key=lambda step: (-steps[step], step), default=1)
    gaps = [(before, round((after - before) / usual) - 1) for before, after in pairwise(numbers)]
    missing = [
        before + usual * (1 + index)
        for before, count in gaps
        for index in range(min(count, _EXAMPLES))
    ]
    notes = []
    if names.strays:
        notes.append(f"images beside the numbered ones are passed over: {_some(names.strays)}")
    if missing:
        count = sum(count for _, count in gaps if count > 0)
        notes.append(
            f"images are missing, {count:,} by their numbers ({_some(missing)}): those before and "
            "after are taken as frames that follow each other"
        )
    if twice:
        notes.append(f"numbers occur twice ({_some(twice)}): each image is a frame")
    return tuple(notes)


def _some(values: Sequence[object]) -> str:
    listed = ", ".join(map(str, values[:_EXAMPLES]))
    return f"{listed}, ..." if len(values) > _EXAMPLES else listed


def _form(name: str) -> str:
    """A name with all numbers alike."""
    return _DIGITS.sub("0", name.lower())


def image_files(folder: Path) -> list[Path]:
    """Lists the images of a folder that are its frames, in natural order.

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
        does not have.
        """
        self._folder = folder
        names = _frame_names(folder)
        numbers = part_frames(part, folder, fps, len(names.frames))
        names = replace(names, frames=names.frames[numbers.start : numbers.stop])
        self._images = [folder / name for name in names.frames]
        self._max_pixels = max_pixels
        with self._opened(self._images[0]) as image:
            width, height = _upright_size(image)
        self.properties = VideoProperties(
            width=width,
            height=height,
            fps=fps,
            num_frames=len(self._images),
            duration=len(self._images) / fps,
            decoder="pillow",
            notes=frame_notes(names),
        )

    def frames(self, progress: Progress = unwatched) -> Iterator[Frame]:
        """Reads the images. Raises ``VideoError`` for one that is damaged or of another size."""
        expected = self.properties.width, self.properties.height
        for path in self._images:
            with self._opened(path) as image:
                size = _upright_size(image)
                if size != expected:
                    raise VideoError(
                        self._folder,
                        f"{path.name} is {size[0]}x{size[1]} pixels, "
                        f"{self._images[0].name} is {expected[0]}x{expected[1]}",
                    )
                # Transposing copies even an image that is upright.
                is_upright = image.getexif().get(_EXIF_ORIENTATION, 1) == 1
                upright = image if is_upright else ImageOps.exif_transpose(image)
                frame = _rgb(upright, image.format)
            progress()
            yield frame

    @contextmanager
    def _opened(self, path: Path) -> Iterator[Image.Image]:
        """Opens an image while it is read; what is wrong with it becomes ``VideoError``."""
        try:
            with warnings.catch_warnings():
                # The limit is ours, and lower.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image = Image.open(path)
            with image:
                # Known before any pixel takes memory.
                if image.width * image.height > self._max_pixels:
                    size = over_size_limit(image.width, image.height, self._max_pixels)
                    raise VideoError(self._folder, f"{path.name} {size}")
                yield image
        except Image.DecompressionBombError as error:
            limit = over_limit("has too many pixels", f"{self._max_pixels:,}", "max_pixels")
            raise VideoError(self._folder, f"{path.name} {limit}") from error
        except _IMAGE_ERRORS as error:
            raise VideoError(self._folder, f"{path.name} is no readable image: {error}") from error


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    is_on_its_side = image.getexif().get(_EXIF_ORIENTATION) in _ON_ITS_SIDE
    return (height, width) if is_on_its_side else (width, height)


def _rgb(image: Image.Image, file_format: str | None) -> Frame:
    """Returns an image's pixels; raises ``ValueError`` where their range of values is unknown."""
    if image.mode.startswith("I;16") or (image.mode == "I" and file_format == "PNG"):
        # Pillow clips these when it converts them; of 16-bit colours it takes the upper byte too.
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode not in _AS_THEY_ARE:
        raise ValueError(f"its pixels are of the kind '{image.mode}'; save it with 8 bits a colour")
    # Converting copies even what is RGB.
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
