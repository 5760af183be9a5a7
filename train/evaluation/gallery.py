"""What is searched in: the videos of a split, and their sentences, each of them once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64


@dataclass(frozen=True)
class Gallery:
    """The candidates of both directions, which are the queries of the other one."""

    split: str
    video_ids: tuple[str, ...]
    sentences: tuple[str, ...]
    """Unique; in the order in which the videos bring them."""
    text_of_video: Int64[np.ndarray, " video"]
    """Each video's sentence, as its place in ``sentences``."""
    entry_of_video: Int64[np.ndarray, " video"]
    """Each video's entry of a published caption file; its sentence where none is known."""


def build_gallery(
    split: str,
    video_ids: Sequence[str],
    texts: Sequence[str],
    entries: Sequence[str] | None = None,
) -> Gallery:
    """The gallery of videos and their sentences, one each.

    ``entries`` tells which videos the release of SEDS counts as one query: of one sentence, but not
    always all of them.
    """
    text_of_video = _places(texts)
    return Gallery(
        split,
        tuple(video_ids),
        tuple(dict.fromkeys(texts)),
        text_of_video,
        text_of_video if entries is None else _places(list(zip(entries, texts, strict=True))),
    )


def _places(values: Sequence[object]) -> Int64[np.ndarray, " video"]:
    """Each value's place among the different ones, in the order in which they come."""
    place = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.array([place[value] for value in values], np.int64)
