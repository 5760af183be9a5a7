"""When the frames of a video file are shown, and from where each can be decoded."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int64

from extract.videos.container import ContainerFacts
from extract.videos.packet_count import NO_TIME, OVERSTATED_FRAMES, FramePackets
from extract.videos.part import VideoError

_SEEKABLE_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Formats that seek well; transport streams and AVI know too little of their times."""

_SEEKABLE_CODECS = ("h264", "hevc", "vp8", "vp9")
"""Codecs for which decoding from any keyframe was seen to give the frames of decoding in order."""

_FORMATS_WITH_DURATIONS = ("mov,mp4,m4a,3gp,3g2,mj2", "gif", "avi")
"""Formats that say of every frame how long it is shown; others state a rate, if anything."""


@dataclass(frozen=True)
class FrameTimes:
    """The times of all frames in the order of showing, which is that of their numbers."""

    shown: Int64[np.ndarray, " frame"]
    """In the stream's own unit; only numbers where the file has no times."""
    time_base: Fraction
    """Seconds of that unit."""
    rate: Fraction | None
    """Frames per second where they come evenly, to the precision of the times; else ``None``."""
    last_duration: int
    """How long the last frame is shown, in the stream's own unit."""
    keyframes: Int64[np.ndarray, " _frame"]
    """Numbers of the keyframes from which decoding may begin; none where it may only at frame 0."""
    num_sure: int
    """Frames that no packet after the last one read could come before."""
    every_packet_is_a_frame: bool
    """Whether no packet is hidden, empty, or at the beginning without what it refers to."""
    min_frames: int
    """Frames with which a decoder leaves out no more than it rightly may."""

    @property
    def num_frames(self) -> int:
        """Frames that decoding should give."""
        return len(self.shown)

    @property
    def fps(self) -> float:
        """Frames per second, on the average."""
        return float(self.rate or self.num_frames / self._exact_duration)

    @property
    def duration(self) -> float:
        """Seconds from the beginning of the first frame to the end of the last one."""
        return float(self._exact_duration)

    @property
    def _exact_duration(self) -> Fraction:
        if self.rate is not None:
            return self.num_frames / self.rate
        return (int(self.shown[-1] - self.shown[0]) + self.last_duration) * self.time_base

    @cached_property
    def edges(self) -> Float64[np.ndarray, " _"]:
        """Seconds after the first frame at which each frame begins, and the last one ends."""
        if self.rate is not None:
            return np.arange(self.num_frames + 1) / float(self.rate)
        begins = (self.shown - self.shown[0]) * float(self.time_base)
        return np.append(begins, self.duration)

    def keyframe_before(self, number: int) -> int:
        """Number of the keyframe from which decoding gives the frame of this number.

        A frame that is shown before a keyframe and stored after it needs the keyframe before it.
        """
        index = int(np.searchsorted(self.keyframes, number, side="right")) - 1
        return int(self.keyframes[max(0, index)])


def frame_times(
    facts: ContainerFacts,
    packets: FramePackets,
    *,
    first_shown: int | None,
    packets_per_frame: int = 1,
    may_hold_fields: bool = False,
) -> FrameTimes:
    """The times of a file's frames, of which decoding gives the first at ``first_shown``.

    Where packets hold single fields, two of them give a frame. Times that do not tell surely which
    frame is which give way to the rate that the file states. Raises ``VideoError`` without any.
    """
    is_left_out = _are_left_out(packets, None if facts.format_name == "avi" else first_shown)
    shown, decoded = packets.shown[~is_left_out], packets.decoded[~is_left_out]
    num_least = len(shown) // 2 if may_hold_fields else len(shown)
    is_sure = _tell_frames_apart(shown, decoded)
    numbers = np.arange(len(shown))[::packets_per_frame]
    times = np.sort(shown)[::packets_per_frame] if is_sure else numbers
    rate = _even_rate(times, facts) if is_sure else facts.stated_rate
    last_duration = _last_duration(shown, times, facts, packets) if is_sure else 0
    if rate is None and not last_duration:
        raise VideoError(facts.path, "has no frame rate")
    can_seek = is_sure and packets_per_frame == 1 and _seeks_well(facts, packets)
    key_times = packets.shown[packets.is_keyframe]
    keyframes = np.flatnonzero(np.isin(times, key_times)) if can_seek else numbers[:0]
    if len(keyframes) and keyframes[0]:
        keyframes = keyframes[:0]  # the first frames were made from what is not there
    return FrameTimes(
        shown=times,
        time_base=facts.time_base,
        rate=rate,
        last_duration=last_duration,
        keyframes=keyframes,
        num_sure=_num_sure(times, decoded) if len(keyframes) else 0,
        every_packet_is_a_frame=not (
            packets.has_edits
            or packets.has_empty
            or packets.num_omissible > 0
            or bool(is_left_out.any())
        ),
        min_frames=max(1, num_least - packets.num_omissible - OVERSTATED_FRAMES),
    )


def _are_left_out(packets: FramePackets, first_shown: int | None) -> Bool[np.ndarray, " packet"]:
    """Which packets give no frame, since decoding begins with the frame shown at a time.

    Leading pictures follow the first keyframe and are shown before it: they refer to what was cut
    away. Some containers have no time for them.
    """
    has_time = packets.shown != NO_TIME
    is_late = np.zeros(len(has_time), bool)
    if first_shown is not None and _is_ordered(packets.decoded):
        is_late = has_time & (packets.shown < first_shown)
    with_time = np.flatnonzero(has_time[1:])
    if has_time[0] and len(with_time):
        is_late[1 : 1 + with_time[0]] = True
    return is_late


def _is_ordered(decoded: Int64[np.ndarray, " packet"]) -> bool:
    """Whether time goes on; in files that were appended to each other it does not."""
    return bool((np.diff(decoded[decoded != NO_TIME]) >= 0).all())


def _tell_frames_apart(
    shown: Int64[np.ndarray, " packet"], decoded: Int64[np.ndarray, " packet"]
) -> bool:
    is_complete = bool((shown != NO_TIME).all())
    return is_complete and _is_ordered(decoded) and len(np.unique(shown)) == len(shown)


def _even_rate(shown: Int64[np.ndarray, " frame"], facts: ContainerFacts) -> Fraction | None:
    """The rate that the file states, where its frames come by it."""
    if facts.stated_rate is None:
        return None
    interval = 1 / (facts.stated_rate * facts.time_base)
    differences = shown - shown[0] - np.arange(len(shown)) * float(interval)
    tolerance = min(1.0, float(interval) / 4) + 1e-6  # times are rounded to the stream's unit
    return facts.stated_rate if abs(differences).max() <= tolerance else None


def _last_duration(
    shown: Int64[np.ndarray, " packet"],
    times: Int64[np.ndarray, " frame"],
    facts: ContainerFacts,
    packets: FramePackets,
) -> int:
    """How long the last frame is shown: as its file says, else as long as most others."""
    if len(times) == 1 or (facts.format_name in _FORMATS_WITH_DURATIONS and packets.last_duration):
        return int(shown.max() - times[-1]) + packets.last_duration
    return int(np.median(np.diff(times)))


def _seeks_well(facts: ContainerFacts, packets: FramePackets) -> bool:
    is_known = facts.format_name in _SEEKABLE_FORMATS and facts.codec in _SEEKABLE_CODECS
    return is_known and not packets.has_edits


def _num_sure(shown: Int64[np.ndarray, " frame"], decoded: Int64[np.ndarray, " packet"]) -> int:
    is_unknown = decoded[-1] == NO_TIME
    return 0 if is_unknown else int(np.searchsorted(shown, decoded[-1], side="right"))
