"""What must be known of a video file to decode it or parts of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from extract.decoding.frame import Frame, Progress, unwatched
from extract.decoding.frame_times import FrameTimes, frame_times
from extract.decoding.picture import Picture
from extract.decoding.pyav_frames import first_frame, packets_per_frame, pyav_frames
from extract.decoding.recent_values import RecentValues
from extract.decoding.source_identity import quick_identity
from extract.decoding.video_container import ContainerFacts, check_is_file, read_packets
from extract.decoding.video_error import VideoError
from extract.decoding.video_part import VideoPart, frame_bounds, part_frames
from extract.decoding.video_properties import Decoder, VideoProperties, over_size_limit

NUM_REMEMBERED = 64
"""Recordings; an hour at 50 frames a second takes 1.5 MB."""


@dataclass(frozen=True)
class Recording:
    """A video file whose packets have been read to its end or to the first damage."""

    facts: ContainerFacts
    picture: Picture
    times: FrameTimes
    damage: str | None

    @property
    def path(self) -> Path:
        """The video file."""
        return self.facts.path

    def properties(self, decoder: Decoder) -> VideoProperties:
        """The whole of it, as it is read by a decoder."""
        width, height = self.picture.size
        return VideoProperties(
            width=width,
            height=height,
            fps=self.times.fps,
            num_frames=self.times.num_frames,
            duration=self.times.duration,
            rotation=self.picture.orientation.rotation,
            is_mirrored=self.picture.orientation.is_mirrored,
            pixel_shape=float(self.picture.pixel_shape),
            is_interlaced=self.picture.is_interlaced,
            codec=self.facts.codec,
            decoder=decoder,
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self.picture.square_width != self.picture.width:
            stored = f"{self.picture.width}x{self.picture.height}"
            numerator, denominator = self.picture.pixel_shape.as_integer_ratio()
            shape = f"pixels of {numerator}:{denominator}"
            notes.append(f"stored as {stored} {shape}; its width is scaled, as players do")
        if self.picture.is_interlaced:
            notes.append("is interlaced: each frame holds two moments, woven line by line")
        return tuple(notes)

    def frames(self, *, skip: int = 0, progress: Progress = unwatched) -> Iterator[Frame]:
        """All frames from number ``skip`` on, decoded in order, as PyAV gives them."""
        return pyav_frames(self.facts, self.picture, self.times, skip=skip, progress=progress)

    def frames_of(self, part: VideoPart) -> range:
        """Numbers of the frames of a part.

        Raises ``VideoError`` for a part that does not fit the recording, or reaches into damage.
        """
        times = self.times
        fps, edges = times.fps, None if times.rate else times.edges
        if self.damage is None:
            return part_frames(part, self.path, fps, times.num_frames, edges)
        _, last = frame_bounds(part, fps, edges)
        if last is None or last >= times.num_sure:
            raise VideoError(self.path, self.damage)
        return part_frames(part, self.path, fps, times.num_sure, edges)


_RECORDINGS = RecentValues[Recording](NUM_REMEMBERED)


def open_recording(path: Path, max_pixels: int, progress: Progress = unwatched) -> Recording:
    """Reads a recording's packets, unless that was done before and the file has not changed.

    Raises ``VideoError`` for what is no video, and for frames of more than ``max_pixels`` pixels.
    """
    check_is_file(path)
    key = (path, *quick_identity(path), max_pixels)
    return _RECORDINGS.get(key, lambda: read_recording(path, max_pixels, progress))


def read_recording(path: Path, max_pixels: int, progress: Progress = unwatched) -> Recording:
    """Reads all packets of a video file and decodes its first frame.

    Raises ``VideoError`` for what is no video, and for frames of more than ``max_pixels`` pixels.
    """
    facts, count = read_packets(path, max_pixels, progress)
    damage = count.damage()
    try:
        picture, first_shown = first_frame(facts, count.num_frames, progress)
    except VideoError as error:
        raise VideoError(path, damage or error.reason) from error
    width, height = picture.size
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
