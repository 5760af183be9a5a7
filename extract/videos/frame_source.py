"""Opens what holds the frames of a video: a file, a part of one, or a folder of images."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from av.error import FFmpegError
from av.video.frame import PictureType
from PIL import Image

from extract.videos.decord_frames import DecordGaveUpError, decord_frames
from extract.videos.decord_frames import suits as decord_suits
from extract.videos.frame import Frame, Progress, unwatched
from extract.videos.frame_folder import FrameFolder
from extract.videos.part import (
    MAX_PIXELS,
    WHOLE,
    Crop,
    FileDecoder,
    VideoError,
    VideoPart,
    VideoProperties,
)
from extract.videos.pyav_file import KeptPackets, Upright, open_container
from extract.videos.recording import open_recording, read_recording


@runtime_checkable
class FrameSource(Protocol):
    """The frames of one video, one after the other."""

    @property
    def properties(self) -> VideoProperties:
        """What is known before decoding."""

    def frames(self, progress: Progress = unwatched) -> Iterator[Frame]:
        """Every frame exactly once, in order, all of one size; memory does not grow with them.

        Raises ``VideoError`` where the video cannot be read further; it never ends early.
        """


def open_frames(
    path: Path,
    folder_fps: float,
    max_pixels: int = MAX_PIXELS,
    part: VideoPart = WHOLE,
    progress: Progress = unwatched,
    decoder: FileDecoder = "pyav",
) -> FrameSource:
    """Opens a video file, or a folder of frame images as a video of ``folder_fps``, or a part.

    ``decoder`` reads whole files; where it is decord and does not suit one, PyAV does.
    Raises ``VideoError`` for what is neither, for frames of more than ``max_pixels`` pixels, and
    for a part that it does not have.
    """
    source: FrameSource
    if path.is_dir():
        source = FrameFolder(path, folder_fps, max_pixels, part)
    elif part.has_times:
        source = RecordingPart(path, part, max_pixels, progress)
    else:
        source = VideoFile(path, max_pixels, progress, decoder)
    if part.crop is None and part.size is None:
        return source
    return CroppedFrames(path, source, part.crop, part.size)


class VideoFile:
    """The frames of a video file, upright, in order, each exactly once.

    A file that is cut off or damaged is a ``VideoError`` that says how far it can be read: when the
    file is opened, if its packets show it, else where decoding meets it. A container may promise
    two frames more than there are (:data:`extract.videos.packet_count.OVERSTATED_FRAMES`).
    Damage within a frame that decord conceals without an error is not noticed.
    """

    def __init__(
        self,
        path: Path,
        max_pixels: int = MAX_PIXELS,
        progress: Progress = unwatched,
        decoder: FileDecoder = "pyav",
    ) -> None:
        """Reads the container. Raises ``VideoError`` for what is no whole video."""
        # decord opens the file by itself.
        self._kept = KeptPackets() if decoder == "pyav" else KeptPackets(max_bytes=0)
        recording = read_recording(path, max_pixels, progress, self._kept)
        if recording.damage:
            raise VideoError(path, recording.damage)
        self.recording = recording
        if not decord_suits(recording.facts, recording.picture, recording.times):
            decoder = "pyav"
        self.properties = recording.properties(decoder)

    def frames(self, progress: Progress = unwatched) -> Iterator[Frame]:
        """Decodes the video. Raises ``VideoError`` where it is damaged."""
        num_sure = 0
        with self._kept.opened:
            if self.properties.decoder == "decord":
                for frame in self._sure_decord_frames(progress):
                    yield frame
                    num_sure += 1
            # PyAV decodes what decord left open, or all, and skips what was handed out already.
            if num_sure < self.properties.num_frames:
                # The first reading goes on with what opening began, a second one opens anew.
                begun, self._kept.begun = self._kept.begun, None
                yield from self.recording.frames(skip=num_sure, progress=progress, begun=begun)

    def _sure_decord_frames(self, progress: Progress) -> Iterator[Frame]:
        """Yields decord's frames up to the last that is surely a frame of the video.

        decord fills up missing frames with copies of the last one. So a frame that equals the one
        before is held back until another one follows it; copies at the end are never handed out.
        """
        path, size = self.recording.facts.path, self.recording.picture.size
        # A few rows tell most frames apart, at a sixteenth of the cost.
        few_rows = slice(None, None, 16)
        # The last frame that was handed out, and its copies that are held back. These are entries
        # of the same array, so that holding many takes no memory.
        equal: list[Frame] = []
        try:
            for frame in decord_frames(path, self.properties.num_frames, size):
                progress()
                if (
                    equal
                    and np.array_equal(frame[few_rows], equal[0][few_rows])
                    and np.array_equal(frame, equal[0])
                ):
                    equal.append(equal[0])
                    continue
                yield from equal[1:]
                yield frame
                equal = [frame]
        except DecordGaveUpError:
            # PyAV goes on from here, or says what is wrong.
            return


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
        # At an uneven rate a part has a rate of its own.
        if times.rate:
            fps = times.fps
        else:
            fps = len(numbers) / float(times.edges[numbers.stop] - times.edges[numbers.start])
        self.properties = replace(
            self._recording.properties("pyav"),
            fps=fps,
            num_frames=len(numbers),
            duration=len(numbers) / fps,
        )

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
        """Yields the part's frames up to the first that does not come whole and at its time."""
        facts, times, numbers = self._recording.facts, self._recording.times, self._numbers
        upright = Upright(self._recording.picture)
        keyframe = times.keyframe_before(numbers.start)
        # The numbers that the frames from the keyframe on must have, in the order of showing.
        expected = iter(range(keyframe, numbers.stop))
        with open_container(facts.path, stream_index=facts.stream_index) as (container, stream):
            try:
                container.seek(int(times.shown[keyframe]), stream=stream)
                for frame in container.decode(stream):
                    progress()
                    # A frame that is shown before the keyframe may lack what it was made from.
                    if frame.pts is not None and frame.pts < times.shown[keyframe]:
                        continue
                    number = next(expected)
                    is_right = frame.pts == times.shown[number] and not frame.is_corrupt
                    # In gradual refresh, a keyframe is only where repair begins.
                    is_alone = frame.pict_type == PictureType.I
                    if not is_right or (number == keyframe and not is_alone):
                        return
                    if number >= numbers.start:
                        yield upright(frame)
                    if number == numbers.stop - 1:
                        return
            except FFmpegError:
                # What is wrong is said when the file is decoded in order.
                return


class CroppedFrames:
    """The frames of a video, cropped and then resized.

    Bicubic, which is Pillow's default: the published How2Sign clips were made so.
    """

    def __init__(
        self, path: Path, source: FrameSource, crop: Crop | None, size: tuple[int, int] | None
    ) -> None:
        """Raises ``VideoError`` when the frames of the video at ``path`` have no such rectangle."""
        properties = source.properties
        whole = Crop(0, 0, properties.width, properties.height)
        self._source, self._crop = source, crop or whole
        # Slicing a range cuts the crop at the frame's edge just as slicing the pixels will.
        width = len(range(properties.width)[self._crop.columns()])
        height = len(range(properties.height)[self._crop.rows()])
        if not width * height:
            frames = f"frames of {properties.width}x{properties.height} pixels"
            raise VideoError(path, f"the crop {crop} lies outside the {frames}")
        self._size = size or (width, height)
        self.properties = replace(properties, width=self._size[0], height=self._size[1])

    def frames(self, progress: Progress = unwatched) -> Iterator[Frame]:
        """Crops and resizes frame by frame. Raises ``VideoError`` like the source."""
        for frame in self._source.frames(progress):
            region = np.ascontiguousarray(frame[self._crop.rows(), self._crop.columns()])
            if region.shape[1::-1] == self._size:
                yield region
            else:
                yield np.asarray(Image.fromarray(region).resize(self._size))
