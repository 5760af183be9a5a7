"""Which images of a folder are the frames of a video, by their names alone.

Frames are numbered: ``images0001.png``, ``000001.jpg``, ``frame_12.png``, ``frame (7).png``. Their
names differ in numbers only; what lies beside them, such as a cover, does not.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

IMAGE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".webp"))

_DIGITS = re.compile(r"([0-9]+)")
_EXAMPLES = 5


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
    images = sorted(filter(is_image, names), key=_natural_key)
    forms = Counter(map(_form, images))
    form, count = forms.most_common(1)[0] if forms else ("", 0)
    is_series = count > 1 and _DIGITS.search(PurePath(form).stem)
    if not is_series or len(images) - count > max(1, len(images) // 10):
        return FrameNames(tuple(images))
    frames = tuple(name for name in images if _form(name) == form)
    strays = tuple(name for name in images if _form(name) != form)
    return FrameNames(frames, strays, is_numbered=True)


def is_image(name: str) -> bool:
    """Whether a name is that of an image."""
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")


def frame_notes(names: FrameNames) -> tuple[str, ...]:
    """What a person should know of the images of a folder, in sentences."""
    numbers = _numbers(names.frames) if names.is_numbered else []
    steps = Counter(after - before for before, after in pairwise(numbers))
    twice = [before for before, after in pairwise(numbers) if after == before]
    del steps[0]
    usual = min(steps, key=lambda step: (-steps[step], step), default=1)
    gaps = [(before, round((after - before) / usual) - 1) for before, after in pairwise(numbers)]
    missing = [
        before + usual * (1 + place)
        for before, count in gaps
        for place in range(min(count, _EXAMPLES))
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


def _numbers(frames: Sequence[str]) -> list[int]:
    """The one number that tells frames apart; empty where several numbers do, such as times."""
    rows = [list(map(int, re.findall(r"[0-9]+", PurePath(name).stem))) for name in frames]
    counting = [numbers for numbers in zip(*rows, strict=True) if len(set(numbers)) > 1]
    return sorted(counting[0]) if len(counting) == 1 else []


def _some(values: Sequence[object]) -> str:
    listed = ", ".join(map(str, values[:_EXAMPLES]))
    return f"{listed}, ..." if len(values) > _EXAMPLES else listed


def _form(name: str) -> str:
    """A name with all numbers alike."""
    return _DIGITS.sub("0", name.lower())


def _natural_key(name: str) -> tuple[list[int | str], str]:
    """Numbers compare as numbers. Text and numbers alternate, so they never meet each other."""
    parts = _DIGITS.split(name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name
