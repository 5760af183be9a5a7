"""One video file as a source of frames: decord reads it, PyAV whatever decord cannot be sure of."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from extract.decoding.decord_frames import DecordGaveUpError, decord_frames
from extract.decoding.decord_frames import suits as decord_suits
from extract.decoding.frame import Frame, Progress, unwatched
from extract.decoding.recording import read_recording
from extract.decoding.video_error import VideoError
from extract.decoding.video_properties import MAX_PIXELS, VideoProperties


class VideoFile:
    """The frames of a video file, upright, in order, each exactly once.

    A file that is cut off or damaged is a ``VideoError`` that says how far it can be read: when the
    file is opened, if its packets show it, else where decoding meets it. A container may promise
    two frames more than there are (:data:`extract.decoding.packet_count.OVERSTATED_FRAMES`).
    Damage within a frame that decord conceals without an error is not noticed.
    """

    def __init__(
        self, path: Path, max_pixels: int = MAX_PIXELS, progress: Progress = unwatched
    ) -> None:
        """Reads the container. Raises ``VideoError`` for what is no whole video."""
        recording = read_recording(path, max_pixels, progress)
        if recording.damage:
            raise VideoError(path, recording.damage)
        self._recording = recording
        suits_decord = decord_suits(recording.facts, recording.picture, recording.times)
        self._properties = recording.properties("decord" if suits_decord else "pyav")

    @property
    def properties(self) -> VideoProperties:
        """What the container says."""
        return self._properties

    def frames(self, progress: Progress = unwatched) -> Iterator[Frame]:
        """Decodes the video. Raises ``VideoError`` where it is damaged."""
        num_sure = 0
        if self._properties.decoder == "decord":
            for frame in self._sure_decord_frames(progress):
                yield frame
                num_sure += 1
        if num_sure < self._properties.num_frames:
            yield from self._recording.frames(skip=num_sure, progress=progress)

    def _sure_decord_frames(self, progress: Progress) -> Iterator[Frame]:
        """decord's frames up to the last that is surely a frame of the video.

        decord fills up missing frames with copies of the last one. So a frame that equals the one
        before is held back until another one follows it; copies at the end are never handed out.
        """
        path, size = self._recording.path, self._recording.picture.size
        equal: list[Frame] = []  # the last frame that was handed out, and its copies held back
        try:
            for frame in decord_frames(path, self._properties.num_frames, size):
                progress()
                if equal and _are_equal(frame, equal[0]):
                    equal.append(equal[0])  # the same array: holding many takes no memory
                    continue
                yield from equal[1:]
                yield frame
                equal = [frame]
        except DecordGaveUpError:
            return  # PyAV goes on, or says what is wrong


def _are_equal(frame: Frame, other: Frame) -> bool:
    few_rows = slice(None, None, 16)  # enough to tell most frames apart, at a sixteenth of the cost
    return np.array_equal(frame[few_rows], other[few_rows]) and np.array_equal(frame, other)
