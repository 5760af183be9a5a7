"""Counts the packets of a video stream and judges whether the file is whole.

A file counts as damaged when FFmpeg's demuxer reports an error or marks a packet as corrupt, and as
cut off when its index lists more packets than can be read, or when its header promises a longer
video than there is. A container may promise up to :data:`OVERSTATED_FRAMES` frames too many.
"""

from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream
from jaxtyping import Bool, Int64

from extract.videos.frame import Progress, unwatched

if TYPE_CHECKING:
    AnyPacket: TypeAlias = Packet[Any]
else:
    # Packets are generic in PyAV's stubs only.
    AnyPacket = Packet


OVERSTATED_FRAMES = 2
"""Frames that a container may promise beyond those it has, and still be whole.

None of 600 clips from 13 sign-language sources overstates its length at all; a Matroska file of 5 s
that lacks its last 3% lacks 4 frames.
"""

NO_TIME = -(2**63)
"""The time of a packet that has none."""

# Formats without a packet count whose header holds a duration; in others FFmpeg estimates it.
_HEADERS_WITH_DURATION = ("matroska,webm", "flv")

# Formats whose files may be appended to each other; FFmpeg calls a packet at the joint corrupt.
_JOINED_AT_WILL = ("mpegts",)

# The bit of a VP8 frame that is shown, not only referred to (RFC 6386, section 9.1).
_VP8_IS_SHOWN = 0x10

# Bytes of an MPEG-4 packet that may say no more than "nothing has changed", as FFmpeg has it.
_LARGEST_EMPTY_VOP = 19


@dataclass(frozen=True)
class FramePackets:
    """The packets that give frames, in the order of decoding.

    Times are in the stream's own unit, or :data:`NO_TIME`.
    """

    shown: Int64[np.ndarray, " packet"]
    decoded: Int64[np.ndarray, " packet"]
    is_keyframe: Bool[np.ndarray, " packet"]
    last_duration: int
    """How long the frame that is shown last stays, as the container says; 0 when it does not."""
    has_edits: bool = False
    """Whether an edit list hides some of the file's packets."""
    has_empty: bool = False
    """Whether there are empty packets between these, in the place of dropped frames."""
    num_omissible: int = 0
    """Packets that may say that nothing has changed, for which a decoder need not give a frame."""


@dataclass
class PacketCount:
    """The packets of a video stream, as far as they can be read."""

    format_name: str
    codec: str
    listed: int
    """Packets that the container's index or header lists; 0 when it has none."""
    num_empty: int
    """Packets among them that the index says are empty: dropped frames."""
    stated_end: float | None
    """Seconds at which the header says that the file ends."""
    num_packets: int = 0
    num_hidden: int = 0
    """Packets that an edit list hides."""
    num_omissible: int = 0
    """Packets that may say that nothing has changed."""
    end: float = 0.0
    """Seconds at which the last packet of any stream ends."""
    longest_gap: float = 0.0
    """Seconds between two neighbouring packets of the video stream."""
    complaint: str = ""
    """What FFmpeg first complained about; reading stopped there."""
    # Times and marks of the packets that give frames, packed: a long recording has a million.
    _shown: "array[int]" = field(default_factory=lambda: array("q"))
    _decoded: "array[int]" = field(default_factory=lambda: array("q"))
    _is_keyframe: bytearray = field(default_factory=bytearray)
    _last_shown: int = NO_TIME
    _last_duration: int = 0
    _last_dts: int | None = None
    _found_keyframe: bool = False

    @classmethod
    def of(
        cls,
        container: InputContainer,
        stream: VideoStream,
        progress: Progress = unwatched,
        keep: Callable[[AnyPacket], None] | None = None,
    ) -> "PacketCount":
        """Reads a container from its beginning to its end, or to the first damage.

        ``keep`` is given every packet of the video stream, and the empty one that ends it.
        """
        name = container.format.name
        listed, num_empty, stated_end = stream.frames, 0, None
        if name.startswith("mov"):
            # FFmpeg takes what an edit list hides out of the index of an MP4 file, not out of
            # ``frames``.
            entries = stream.index_entries
            listed, num_empty = len(entries), sum(not entry.size for entry in entries)
        if name in _HEADERS_WITH_DURATION and container.duration:
            stated_end = container.duration / av.time_base
        count = cls(name, stream.codec_context.name, listed, num_empty, stated_end)
        with _logged_errors() as log:
            try:
                # Packets of all streams: the file ends where the last of any stream does.
                for packet in container.demux():
                    progress()
                    is_video = packet.stream is stream
                    if is_video and keep is not None:
                        keep(packet)
                    count._add(packet, is_video=is_video)
                    if log:
                        # Errors of the format's demuxer count, those of a codec's parser do not.
                        errors = (message for _, component, message in log if component == name)
                        count.complaint = count.complaint or next(errors, "").strip()
                        log.clear()
                    if count.complaint:
                        break
            except FFmpegError as error:
                count.complaint = str(error)
        return count

    @property
    def num_frames(self) -> int:
        """Packets that give frames; nothing before the first keyframe can be decoded."""
        return len(self._shown)

    @property
    def frame_packets(self) -> FramePackets:
        """The packets that give frames."""
        return FramePackets(
            shown=np.array(self._shown, np.int64),
            decoded=np.array(self._decoded, np.int64),
            is_keyframe=np.array(self._is_keyframe, bool),
            last_duration=self._last_duration,
            has_edits=self.num_hidden > 0,
            has_empty=self.num_passed > self.num_packets,
            num_omissible=self.num_omissible,
        )

    def damage(self) -> str | None:
        """Says what is wrong with the file and how far it can be read; ``None`` for a whole one."""
        if self.num_passed < self.listed - OVERSTATED_FRAMES:
            return f"cut off or damaged after {self.num_passed} of {self.listed} frames"
        if self.complaint:
            return f"cut off or damaged after {self.num_packets} frames ({self.complaint})"
        slack = OVERSTATED_FRAMES * self.longest_gap
        if self.stated_end is not None and self.end < self.stated_end - slack:
            return (
                f"cut off after {self.num_packets} frames, "
                f"{self.end:.2f} s of {self.stated_end:.2f} s"
            )
        return None

    @property
    def num_passed(self) -> int:
        """Packets that have been read, and the empty ones between them, which give no frame.

        The header of an AVI file counts slots for frames, empty ones too, and FFmpeg tells the
        slot of a packet as its time.
        """
        if self.format_name == "avi" and self._last_dts is not None:
            return max(self.num_packets, self._last_dts + 1)
        return self.num_packets + self.num_empty

    def _add(self, packet: AnyPacket, *, is_video: bool) -> None:
        if not packet.size:  # PyAV's own mark of a stream's end
            return
        if self.stated_end is not None:
            unit = float(packet.time_base or 0)
            if packet.pts is not None:
                self.end = max(self.end, (packet.pts + (packet.duration or 0)) * unit)
            if is_video and packet.dts is not None and self._last_dts is not None:
                self.longest_gap = max(self.longest_gap, (packet.dts - self._last_dts) * unit)
        if is_video:
            self._add_video(packet)

    def _add_video(self, packet: AnyPacket) -> None:
        self.num_packets += 1
        is_keyframe, is_hidden = packet.is_keyframe, packet.is_discard
        self.num_hidden += is_hidden
        if is_keyframe and not self._found_keyframe:
            # What comes before the first keyframe cannot be decoded.
            self._found_keyframe = True
            self.num_omissible = 0
            self._last_shown, self._last_duration = NO_TIME, 0
            del self._shown[:], self._decoded[:], self._is_keyframe[:]
        if not is_hidden and not self._is_only_reference(packet):
            if self.codec == "mpeg4" and packet.size <= _LARGEST_EMPTY_VOP:
                self.num_omissible += 1
            decoded = NO_TIME if packet.dts is None else packet.dts
            # In an AVI file packets have an order; FFmpeg only guesses when frames are shown.
            shown = decoded if self.format_name == "avi" else packet.pts
            shown = NO_TIME if shown is None else shown
            self._shown.append(shown)
            self._decoded.append(decoded)
            self._is_keyframe.append(is_keyframe)
            # Packets come in the order of decoding: the frame shown last need not be the last one.
            if shown >= self._last_shown:
                self._last_shown, self._last_duration = shown, packet.duration or 0
        if packet.is_corrupt and self.format_name not in _JOINED_AT_WILL:
            self.complaint = "a frame's data is incomplete"
        if packet.dts is not None:
            self._last_dts = packet.dts

    def _is_only_reference(self, packet: AnyPacket) -> bool:
        return self.codec == "vp8" and not bytes(memoryview(packet)[:1])[0] & _VP8_IS_SHOWN


@contextmanager
def _logged_errors() -> Iterator[list[tuple[int, str, str]]]:
    """Collects what FFmpeg logs as errors: level, component, message.

    A demuxer that skips damage says so in no other way.
    """
    level, skips_repeated = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as log:
            yield log
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips_repeated)
