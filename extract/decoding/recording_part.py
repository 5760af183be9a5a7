"""A stretch of a long recording as a source of frames, without decoding what comes before it."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame

from extract.decoding.frame import Frame, Progress, unwatched
from extract.decoding.frame_times import FrameTimes
from extract.decoding.pyav_frames import Upright, decode_in_one_thread, pyav_frames
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

    def __init__(self, path: Path, part: VideoPart, max_pixels: int = MAX_PIXELS) -> None:
        """Reads the container. Raises ``VideoError`` where the part is not in a whole recording."""
        self._recording = open_recording(path, max_pixels)
        self._numbers = self._recording.frames_of(part)
        facts, rotation = self._recording.facts, self._recording.rotation
        size = (facts.width, facts.height) if rotation % 180 == 0 else (facts.height, facts.width)
        self._properties = VideoProperties(
            width=size[0],
            height=size[1],
            fps=facts.fps,
            num_frames=len(self._numbers),
            duration=len(self._numbers) / facts.fps,
            rotation=rotation,
            codec=facts.codec,
            decoder="pyav",
        )

    @property
    def properties(self) -> VideoProperties:
        """What the container says of the part."""
        return self._properties

    def frames(self, progress: Progress = unwatched) -> Iterator[Frame]:
        """Decodes the part. Raises ``VideoError`` where the recording is damaged."""
        recording, number = self._recording, self._numbers.start
        if recording.times is not None:
            for frame in self._frames_from_keyframe(recording.times, progress):
                yield frame
                number += 1
        if number < self._numbers.stop:
            promised = recording.facts.num_frames
            in_order = pyav_frames(recording.path, promised, skip=number, progress=progress)
            yield from islice(in_order, self._numbers.stop - number)

    def _frames_from_keyframe(self, times: FrameTimes, progress: Progress) -> Iterator[Frame]:
        """The part's frames up to the first that does not come whole and at its time."""
        facts, numbers = self._recording.facts, self._numbers
        upright = Upright(facts.width, facts.height, self._recording.rotation)
        keyframe = times.keyframe_before(numbers.start)
        expected = iter(range(keyframe, numbers.stop))
        with open_container(self._recording.path) as (container, stream):
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
