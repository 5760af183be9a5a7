"""The interface between a run and a stream: how decoded videos become the rows of a store."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from extract.videos.decoding import DecodedVideo
from extract.videos.frame import FrameCut
from seds_core.store.provenance import Provenance


class UnusableRowsError(ValueError):
    """The rows that the network made of a video cannot be stored; the message says why."""


Rows: TypeAlias = dict[str, np.ndarray]
"""Array name -> values, first axis ``row``."""


@runtime_checkable
class Stream(Protocol):
    """RGB or pose: a loaded, frozen network, and how videos go through it.

    One thread reads a video and another has the network compute. Between them pass pieces: the
    smallest parts of a video that the network can take by themselves.
    """

    @property
    def provenance(self) -> Provenance:
        """What decides the rows; the store remembers it."""

    @property
    def batch_size(self) -> int:
        """Pieces in a batch."""

    def cut(self, video_id: str) -> FrameCut | None:
        """What the decoder keeps of a video's frames; ``None`` for all of them."""

    def num_rows(self, video: DecodedVideo) -> int:
        """Rows that the video gives if its container tells the truth; reads no frame.

        Raises ``VideoError`` for a video that cannot be opened or would give no rows.
        """

    def pieces(self, video: DecodedVideo) -> Iterator[Any]:
        """Reads the video's frames and prepares them for the network, in order.

        Raises ``VideoError`` when the video cannot be read to its end, and ``FrameCountChanged``
        when it has other frames than it was said to have.
        """

    def rows(self, pieces: Sequence[Any]) -> list[Rows]:
        """Each piece's rows, from at most ``batch_size`` pieces of any videos.

        They do not depend, to the bit, on the other pieces. Raises ``UnusableRowsError`` for a
        video that the network makes nothing of.
        """


def rows_of(stream: Stream, video: DecodedVideo) -> Rows:
    """A video's rows without any other video; raises like :meth:`Stream.pieces`."""
    pieces = iter(stream.pieces(video))
    parts: list[Rows] = []
    while batch := list(islice(pieces, stream.batch_size)):
        parts += stream.rows(batch)
    return joined(parts)


def joined(parts: Iterable[Rows]) -> Rows:
    """The rows of all pieces of one video, of which there is at least one."""
    first, *others = parts
    return {name: np.concatenate([first[name], *(part[name] for part in others)]) for name in first}
