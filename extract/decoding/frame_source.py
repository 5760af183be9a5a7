"""Opens whatever holds the frames of a video: a file, or a folder of images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from extract.decoding.cropped_frames import CroppedFrames
from extract.decoding.frame import Frame, Progress, unwatched
from extract.decoding.frame_folder import FrameFolder
from extract.decoding.recording_part import RecordingPart
from extract.decoding.video_file import VideoFile
from extract.decoding.video_part import WHOLE, VideoPart
from extract.decoding.video_properties import MAX_PIXELS, VideoProperties


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
) -> FrameSource:
    """Opens a video file, or a folder of frame images as a video of ``folder_fps``, or a part.

    Raises ``VideoError`` for what is neither, for frames of more than ``max_pixels`` pixels, and
    for a part that it has not got.
    """
    source = _open_times(path, folder_fps, max_pixels, part, progress)
    if part.crop is None and part.size is None:
        return source
    return CroppedFrames(path, source, part.crop, part.size)


def _open_times(
    path: Path, folder_fps: float, max_pixels: int, part: VideoPart, progress: Progress
) -> FrameSource:
    if path.is_dir():
        return FrameFolder(path, folder_fps, max_pixels, part)
    if part.has_times:
        return RecordingPart(path, part, max_pixels, progress)
    return VideoFile(path, max_pixels, progress)
