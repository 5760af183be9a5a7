"""What must be known of a long recording to decode parts of it, learnt once for all its parts."""

from dataclasses import dataclass
from pathlib import Path

from extract.decoding.frame_times import FrameTimes, frame_times
from extract.decoding.pyav_frames import stored_rotation
from extract.decoding.recent_values import RecentValues
from extract.decoding.source_identity import quick_identity
from extract.decoding.video_container import ContainerFacts, check_is_file, read_packets
from extract.decoding.video_error import VideoError
from extract.decoding.video_part import VideoPart, part_frames

NUM_REMEMBERED = 64
"""Recordings; an hour at 50 frames a second takes 1.5 MB."""


@dataclass(frozen=True)
class Recording:
    """A video file whose packets have been read to its end or to the first damage."""

    path: Path
    facts: ContainerFacts
    rotation: int
    """Degrees counter-clockwise that stored frames are turned by to be upright."""
    times: FrameTimes | None
    """``None`` where the file can only be decoded in order."""
    damage: str | None

    def frames_of(self, part: VideoPart) -> range:
        """Numbers of the frames of a part.

        Raises ``VideoError`` for a part that does not fit the recording, or reaches into damage.
        """
        if self.damage is None:
            return part_frames(part, self.path, self.facts.fps, self.facts.num_frames)
        num_sure = self.times.num_sure if self.times else 0
        if part.end is None or part.end * self.facts.fps >= num_sure:
            raise VideoError(self.path, self.damage)
        return part_frames(part, self.path, self.facts.fps, num_sure)


_RECORDINGS = RecentValues[Recording](NUM_REMEMBERED)


def open_recording(path: Path, max_pixels: int) -> Recording:
    """Reads a recording's packets, unless that was done before and the file has not changed.

    Raises ``VideoError`` for what is no video, and for frames of more than ``max_pixels`` pixels.
    """
    check_is_file(path)
    key = (path, *quick_identity(path), max_pixels)
    return _RECORDINGS.get(key, lambda: _read(path, max_pixels))


def _read(path: Path, max_pixels: int) -> Recording:
    facts, packets = read_packets(path, max_pixels, keep=True)
    rotation = stored_rotation(path, facts.num_frames)
    times = frame_times(facts, packets.frame_packets)
    return Recording(path, facts, rotation, times, packets.damage())
