"""What the run asks of a stream: how one decoded video becomes the rows of its store."""

from typing import Protocol, runtime_checkable

import numpy as np

from extract.decoding.decoded_video import DecodedVideo
from extract.decoding.frame_fit import FrameFit
from seds_core.store.provenance import Provenance


@runtime_checkable
class Stream(Protocol):
    """RGB or pose: a loaded, frozen network and what it makes of a video."""

    @property
    def provenance(self) -> Provenance:
        """What decides the rows; the store remembers it."""

    @property
    def fit(self) -> FrameFit | None:
        """How the decoder resizes frames; ``None`` leaves them as they are."""

    def num_rows(self, video: DecodedVideo) -> int:
        """Rows that the video gives if its container tells the truth; reads no frame.

        Raises ``VideoError`` for a video that cannot be opened or would give no rows.
        """

    def rows(self, video: DecodedVideo) -> dict[str, np.ndarray]:
        """Reads the video's frames and gives its rows: array name -> values, first axis ``row``.

        Raises ``VideoError`` when the video cannot be read to its end, and ``FrameCountChanged``
        when it has not the frames that it was said to have.
        """
