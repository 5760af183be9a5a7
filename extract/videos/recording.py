"""What must be known of a recording to decode it, or any part of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame

from extract.videos.container import ContainerFacts, check_is_file, open_container, read_packets
from extract.videos.frame import Frame, Picture, Progress, unwatched
from extract.videos.frame_times import FrameTimes, frame_times
from extract.videos.part import (
    MAX_PIXELS,
    Decoder,
    VideoError,
    VideoPart,
    VideoProperties,
    frame_bounds,
    over_size_limit,
    part_frames,
)
from extract.videos.pyav_frames import (
    Upright,
    decode_in_one_thread,
    first_frame,
    packets_per_frame,
    pyav_frames,
)
from extract.videos.source_identity import RecentValues, quick_identity

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


class RecordingPart:
    """The frames of a part of a video file, numbered from 0, each exactly once.

    They are those that decoding the whole file gives, to the bit: decoding begins at a keyframe,
    and every frame has to come at the time that its packet says. Where that cannot be, the file is
    decoded from its beginning.
    """

    def __init__(
        self,
        path: Path,
        part: VideoPart,
        max_pixels: int = MAX_PIXELS,
        progress: Progress = unwatched,
    ) -> None:
        """Reads the container. Raises ``VideoError`` where the part is not in a whole recording."""
        self._recording = open_recording(path, max_pixels, progress)
        self._numbers = self._recording.frames_of(part)
        times, numbers = self._recording.times, self._numbers
        if times.rate:
            fps = times.fps
        else:
            fps = len(numbers) / float(times.edges[numbers.stop] - times.edges[numbers.start])
        self._properties = replace(
            self._recording.properties("pyav"),
            fps=fps,
            num_frames=len(numbers),
            duration=len(numbers) / fps,
        )

    @property
    def properties(self) -> VideoProperties:
        """What the container says of the part."""
        return self._properties

    def frames(self, progress: Progress = unwatched) -> Iterator[Frame]:
        """Decodes the part. Raises ``VideoError`` where the recording is damaged."""
        recording, number = self._recording, self._numbers.start
        if len(recording.times.keyframes):
            for frame in self._frames_from_keyframe(progress):
                yield frame
                number += 1
        if number < self._numbers.stop:
            in_order = recording.frames(skip=number, progress=progress)
            yield from islice(in_order, self._numbers.stop - number)

    def _frames_from_keyframe(self, progress: Progress) -> Iterator[Frame]:
        """The part's frames up to the first that does not come whole and at its time."""
        facts, times, numbers = self._recording.facts, self._recording.times, self._numbers
        upright = Upright(self._recording.picture)
        keyframe = times.keyframe_before(numbers.start)
        expected = iter(range(keyframe, numbers.stop))
        with open_container(facts.path, stream_index=facts.stream_index) as (container, stream):
            decode_in_one_thread(stream)
            try:
                container.seek(int(times.shown[keyframe]), stream=stream)
                for frame in container.decode(stream):
                    progress()
                    if frame.pts is not None and frame.pts < times.shown[keyframe]:
                        continue  # it may lack what it was made from
                    number = next(expected)
                    is_right = frame.pts == times.shown[number] and not frame.is_corrupt
                    if not is_right or (number == keyframe and not _is_intra(frame)):
                        return
                    if number >= numbers.start:
                        yield upright(frame)
                    if number == numbers.stop - 1:
                        return
            except FFmpegError:
                return  # decoding in order says what is wrong


def _is_intra(frame: VideoFrame) -> bool:
    """Whether a frame stands alone: in gradual refresh, a keyframe is only where repair begins."""
    return frame.pict_type == PictureType.I
