"""When the frames of a video file are shown, and from where each can be decoded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from extract.decoding.packet_count import FramePacket
from extract.decoding.video_container import ContainerFacts

_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Formats that seek well; transport streams and AVI know too little of their times."""

_CODECS = ("h264", "hevc", "vp8", "vp9")
"""Codecs for which decoding from any keyframe was seen to give the frames of decoding in order."""


@dataclass(frozen=True)
class FrameTimes:
    """The times of all frames in the order of showing, which is that of their numbers."""

    shown: Int64[np.ndarray, " frame"]
    """In the stream's own unit."""
    keyframes: Int64[np.ndarray, " _frame"]
    """Numbers of the keyframes."""
    num_sure: int
    """Frames that no packet after the last one read could come before."""

    def keyframe_before(self, number: int) -> int:
        """Number of the keyframe from which decoding gives the frame of this number.

        A frame that is shown before a keyframe and stored after it needs the keyframe before it.
        """
        index = int(np.searchsorted(self.keyframes, number, side="right")) - 1
        return int(self.keyframes[max(0, index)])


def frame_times(facts: ContainerFacts, packets: Sequence[FramePacket]) -> FrameTimes | None:
    """The times of a file's frames; ``None`` where they do not tell surely which frame is which."""
    if facts.format_name not in _FORMATS or facts.codec not in _CODECS or facts.has_edits:
        return None
    known = [(packet.shown, packet.is_keyframe) for packet in packets if packet.shown is not None]
    shown = np.unique([time for time, _ in known])
    key_times = [time for time, is_keyframe in known if is_keyframe]
    if len(shown) < len(packets) or not key_times:
        return None
    keyframes = np.flatnonzero(np.isin(shown, key_times))
    last = packets[-1].decoded
    num_sure = 0 if last is None else int(np.searchsorted(shown, last, side="right"))
    return FrameTimes(shown, keyframes, num_sure)
