"""A video's timeline for those who must know its length before its last frame is there."""

from collections.abc import Iterator

from extract.decoding.decoded_video import DecodedVideo
from extract.decoding.frame import Frames
from extract.decoding.video_error import FrameCountChanged


def expected_frames(video: DecodedVideo) -> int:
    """Frames that the video should have: as counted before, or as its container says."""
    return video.job.num_frames or video.properties.num_frames


def confirmed_frames(video: DecodedVideo) -> Iterator[Frames]:
    """The timeline's frames in order; each array is valid until the next one is asked for.

    Raises ``FrameCountChanged`` at the end when there were not as many frames as expected, and
    whatever :meth:`DecodedVideo.chunks` raises.
    """
    for chunk in video.chunks():
        yield chunk.frames
    if video.num_frames != expected_frames(video):
        raise FrameCountChanged(video.num_frames)
