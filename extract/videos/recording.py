"""What must be known of a recording to decode it, or any part of it: its picture and its times.

The packets of the container are all read, and its first frame is decoded. From these follow the
times at which frames are shown, and from which keyframes decoding may begin.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Bool, Float64, Int64

from extract.videos.frame import Frame, Picture, Progress, unwatched
from extract.videos.packet_count import NO_TIME, OVERSTATED_FRAMES, FramePackets
from extract.videos.part import (
    Decoder,
    VideoError,
    VideoPart,
    VideoProperties,
    frame_bounds,
    over_size_limit,
    part_frames,
)
from extract.videos.pyav_file import (
    ContainerFacts,
    KeptPackets,
    check_is_file,
    first_frame,
    packets_per_frame,
    pyav_frames,
    read_packets,
)
from extract.videos.source_identity import RecentValues, quick_identity

# Formats that seek well; transport streams and AVI know too little of their times.
_SEEKABLE_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")

# Codecs for which decoding from any keyframe was seen to give the frames of decoding in order.
_SEEKABLE_CODECS = ("h264", "hevc", "vp8", "vp9")

# Formats that say of every frame how long it is shown; others state a rate, if anything.
_FORMATS_WITH_DURATIONS = ("mov,mp4,m4a,3gp,3g2,mj2", "gif", "avi")


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
        """Returns the number of the keyframe from which decoding gives the frame of this number.

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
    """Finds the times of a file's frames, of which decoding gives the first at ``first_shown``.

    Where packets hold single fields, two of them give a frame. Times that do not tell surely which
    frame is which give way to the rate that the file states. Raises ``VideoError`` without any.
    """
    is_left_out = _are_left_out(packets, None if facts.format_name == "avi" else first_shown)
    shown, decoded = packets.shown[~is_left_out], packets.decoded[~is_left_out]
    num_least = len(shown) // 2 if may_hold_fields else len(shown)
    # Times tell the frames apart when every packet has one of its own.
    is_sure = (
        bool((shown != NO_TIME).all())
        and _is_ordered(decoded)
        and len(np.unique(shown)) == len(shown)
    )
    numbers = np.arange(len(shown))[::packets_per_frame]
    times = np.sort(shown)[::packets_per_frame] if is_sure else numbers
    rate = _even_rate(times, facts) if is_sure else facts.stated_rate
    last_duration = 0
    if is_sure:
        # The last frame is shown as long as its file says, else as long as most others.
        is_stated = facts.format_name in _FORMATS_WITH_DURATIONS and packets.last_duration
        if len(times) == 1 or is_stated:
            last_duration = int(shown.max() - times[-1]) + packets.last_duration
        else:
            last_duration = int(np.median(np.diff(times)))
    if rate is None and not last_duration:
        raise VideoError(facts.path, "has no frame rate")

    keyframes, num_sure = numbers[:0], 0
    if is_sure and packets_per_frame == 1 and _can_seek(facts, packets):
        keyframes, num_sure = _seekable(times, packets, decoded)
    return FrameTimes(
        shown=times,
        time_base=facts.time_base,
        rate=rate,
        last_duration=last_duration,
        keyframes=keyframes,
        num_sure=num_sure,
        every_packet_is_a_frame=not (
            packets.has_edits
            or packets.has_empty
            or packets.num_omissible > 0
            or bool(is_left_out.any())
        ),
        min_frames=max(1, num_least - packets.num_omissible - OVERSTATED_FRAMES),
    )


def _can_seek(facts: ContainerFacts, packets: FramePackets) -> bool:
    """Tells whether files of this kind are known to decode exactly from a keyframe."""
    return (
        facts.format_name in _SEEKABLE_FORMATS
        and facts.codec in _SEEKABLE_CODECS
        and not packets.has_edits
    )


def _seekable(
    times: Int64[np.ndarray, " frame"], packets: FramePackets, decoded: Int64[np.ndarray, " packet"]
) -> tuple[Int64[np.ndarray, " _frame"], int]:
    """Finds the frames that decoding can begin at, and how many are surely shown in order."""
    keyframes = np.flatnonzero(np.isin(times, packets.shown[packets.is_keyframe]))
    # Decoding cannot begin at the first frames: they were made from what is not there.
    if not len(keyframes) or keyframes[0]:
        return keyframes[:0], 0
    if decoded[-1] == NO_TIME:
        return keyframes, 0
    # No packet is shown before it is decoded, so later packets are shown after this time.
    return keyframes, int(np.searchsorted(times, decoded[-1], side="right"))


def _are_left_out(packets: FramePackets, first_shown: int | None) -> Bool[np.ndarray, " packet"]:
    """Tells which packets give no frame, since decoding begins with the frame shown at a time.

    Leading pictures follow the first keyframe and are shown before it: they refer to what was cut
    away. Some containers have no time for them.
    """
    has_time = packets.shown != NO_TIME
    is_late = np.zeros(len(has_time), bool)
    if first_shown is not None and _is_ordered(packets.decoded):
        is_late = has_time & (packets.shown < first_shown)
    # Packets without a time, right behind the first keyframe, are its leading pictures.
    with_time = np.flatnonzero(has_time[1:])
    if has_time[0] and len(with_time):
        is_late[1 : 1 + with_time[0]] = True
    return is_late


def _is_ordered(decoded: Int64[np.ndarray, " packet"]) -> bool:
    """Whether time goes on; in files that were appended to each other it does not."""
    return bool((np.diff(decoded[decoded != NO_TIME]) >= 0).all())


def _even_rate(shown: Int64[np.ndarray, " frame"], facts: ContainerFacts) -> Fraction | None:
    """The rate that the file states, where its frames come by it."""
    if facts.stated_rate is None:
        return None
    interval = 1 / (facts.stated_rate * facts.time_base)
    differences = shown - shown[0] - np.arange(len(shown)) * float(interval)
    # Times are rounded to the stream's unit; even a coarse one hides no quarter of a frame.
    tolerance = min(1.0, float(interval) / 4) + 1e-6
    return facts.stated_rate if abs(differences).max() <= tolerance else None


@dataclass(frozen=True)
class Recording:
    """A video file whose packets have been read to its end or to the first damage."""

    facts: ContainerFacts
    picture: Picture
    times: FrameTimes
    damage: str | None

    def properties(self, decoder: Decoder) -> VideoProperties:
        """Describes the whole of it, as a decoder reads it."""
        notes, picture = [], self.picture
        if picture.square_width != picture.width:
            numerator, denominator = picture.pixel_shape.as_integer_ratio()
            notes.append(
                f"stored as {picture.width}x{picture.height} pixels of {numerator}:{denominator}; "
                "its width is scaled, as players do"
            )
        if picture.is_interlaced:
            notes.append("is interlaced: each frame holds two moments, woven line by line")
        width, height = picture.size
        return VideoProperties(
            width=width,
            height=height,
            fps=self.times.fps,
            num_frames=self.times.num_frames,
            duration=self.times.duration,
            decoder=decoder,
            notes=tuple(notes),
        )

    def frames(
        self,
        *,
        skip: int = 0,
        progress: Progress = unwatched,
        begun: Iterator[VideoFrame] | None = None,
    ) -> Iterator[Frame]:
        """Decodes all frames from number ``skip`` on in order, with PyAV, or goes on with it."""
        return pyav_frames(
            self.facts,
            self.picture,
            num_frames=self.times.num_frames,
            min_frames=self.times.min_frames,
            skip=skip,
            progress=progress,
            begun=begun,
        )

    def frames_of(self, part: VideoPart) -> range:
        """Returns the numbers of the frames of a part.

        Raises ``VideoError`` for a part that does not fit the recording, or reaches into damage.
        """
        times = self.times
        fps, edges = times.fps, None if times.rate else times.edges
        if self.damage is None:
            return part_frames(part, self.facts.path, fps, times.num_frames, edges)
        _, last = frame_bounds(part, fps, edges)
        if last is None or last >= times.num_sure:
            raise VideoError(self.facts.path, self.damage)
        return part_frames(part, self.facts.path, fps, times.num_sure, edges)


# Parts of a few recordings come in turn; an hour at 50 frames a second takes 1.5 MB.
_RECORDINGS = RecentValues[Recording](64)


def open_recording(path: Path, max_pixels: int, progress: Progress = unwatched) -> Recording:
    """Reads a recording's packets, unless that was done before and the file has not changed.

    Raises ``VideoError`` for what is no video, and for frames of more than ``max_pixels`` pixels.
    """
    check_is_file(path)
    key = (path, *quick_identity(path), max_pixels)
    return _RECORDINGS.get(key, lambda: read_recording(path, max_pixels, progress))


def read_recording(
    path: Path, max_pixels: int, progress: Progress = unwatched, kept: KeptPackets | None = None
) -> Recording:
    """Reads all packets of a video file and decodes its first frame.

    ``kept`` is filled with what decoding may go on with. Raises ``VideoError`` for what is no
    video, and for frames of more than ``max_pixels`` pixels.
    """
    facts, count = read_packets(path, max_pixels, progress, kept)
    damage = count.damage()
    try:
        picture, first_shown = first_frame(facts, count.num_frames, progress, kept)
    except VideoError as error:
        # Damage that the packets show is the cause; that nothing decodes only follows from it.
        raise VideoError(path, damage or error.reason) from error
    width, height = picture.size
    # Checked again: with square pixels frames may be larger than they are stored.
    if width * height > max_pixels:
        raise VideoError(path, over_size_limit(width, height, max_pixels))
    may_hold_fields = facts.codec == "h264" and picture.is_interlaced
    times = frame_times(
        facts,
        count.frame_packets,
        first_shown=first_shown,
        packets_per_frame=packets_per_frame(facts, progress) if may_hold_fields else 1,
        may_hold_fields=may_hold_fields,
    )
    return Recording(facts, picture, times, damage)
