"""A stretch of a long recording as a source of frames, without decoding what comes before it."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame

from extract.decoding.frame import Frame, Progress, unwatched
from extract.decoding.pyav_frames import Upright, decode_in_one_thread
from extract.decoding.recording import open_recording
from extract.decoding.video_container import open_container
from extract.decoding.video_part import VideoPart
from extract.decoding.video_properties import MAX_PIXELS, VideoProperties


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
