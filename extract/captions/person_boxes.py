"""Person boxes of How2Sign's sentences as crops: the publication's pickles, or the same as JSON.

The publication's preparation cuts ``image[y1 : y1 + h, x1 : x1 + w]`` out of the recording and
resizes it to 256 x 256. https://github.com/FangyunWei/SLRT (CiCo/data_preparation)
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from extract.captions.release_files import CaptionFileError, read_text
from seds_core.errors import ImportedFileError
from seds_core.untrusted_pickles import read_pickle

CROP_SIZE = "256x256"


def read_crops(paths: Iterable[Path]) -> dict[str, str]:
    """Crops ``left,top,width,height`` in pixels of the recording, by the clip's published name.

    Raises ``CaptionFileError`` for a file that cannot be used.
    """
    return {name: crop for path in paths for name, crop in _crops(path)}


def _crops(path: Path) -> Iterator[tuple[str, str]]:
    boxes = _boxes(path)
    if not isinstance(boxes, dict) or not boxes:
        raise CaptionFileError(f"{path} has no person boxes: expected boxes by file name")
    for name, box in boxes.items():
        try:
            yield str(name).removesuffix(".mp4"), _crop(box)
        except (TypeError, KeyError, ValueError, OverflowError):
            raise CaptionFileError(
                f"{path}: the box of '{name}' is {str(box)[:100]}; expected x1, y1, w and h "
                "in pixels"
            ) from None


def _boxes(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        if path.suffix.lower() == ".json":
            return json.loads(read_text(path))
        return read_pickle(path)
    except ImportedFileError as error:
        raise CaptionFileError(str(error)) from None
    except json.JSONDecodeError as error:
        raise CaptionFileError(f"{path} is no JSON: {error}") from None


def _crop(box: Any) -> str:  # noqa: ANN401 - whatever the file holds
    """A box without what lies left of the image or above it; ``ValueError`` for an empty one."""
    x, y, width, height = (int(box[key]) for key in ("x1", "y1", "w", "h"))
    left, top = max(x, 0), max(y, 0)
    width, height = x + width - left, y + height - top
    if width < 1 or height < 1:
        raise ValueError("empty")
    return f"{left},{top},{width},{height}"
