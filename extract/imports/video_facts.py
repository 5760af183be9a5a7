"""Size and frame rate of the videos that imported keypoints and features belong to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from extract.videos.frame_source import open_frames
from extract.videos.listing import ListedVideo
from extract.videos.part import VideoError


@dataclass(frozen=True)
class VideoFacts:
    """What files of keypoints often do not say."""

    width: int
    """Pixels of the images that the keypoints were found in."""
    height: int
    fps: float


@runtime_checkable
class FactsSource(Protocol):
    """Looks up a video's facts."""

    def __call__(self, video_id: str) -> VideoFacts:
        """Raises ``LookupError`` with a sentence that says how to give what is not known."""


@dataclass(frozen=True)
class KnownFacts:
    """The size that was given for all videos, else that of each video itself; a ``FactsSource``.

    A size that was given comes first: published keypoints were found in images that had been cut
    out of the videos and resized.
    """

    image_size: tuple[int, int] | None
    """Width and height of the images of all videos."""
    fps: float | None
    """Frame rate of all videos; ``None`` where each video tells its own."""
    folder_fps: float
    """Frame rate of videos that are folders of images, and of those that are not looked into."""
    videos: Mapping[str, ListedVideo]
    """The videos of an index, by id."""

    def __call__(self, video_id: str) -> VideoFacts:
        """The facts of a video; its file is opened only where no size was given."""
        if self.image_size is not None:
            return VideoFacts(*self.image_size, self.fps or self.folder_fps)
        if video_id not in self.videos:
            raise LookupError(
                "the size of its images is not known: give it with --image-size WIDTHxHEIGHT, or "
                "name its video with --index"
            )
        video = self.videos[video_id]
        try:
            if video.problem:
                raise VideoError(video.path, video.problem)
            properties = open_frames(video.path, self.folder_fps, part=video.part).properties
        except VideoError as error:
            raise LookupError(
                f"the size of its images is not known, because its video cannot be opened: {error}"
            ) from error
        return VideoFacts(properties.width, properties.height, self.fps or properties.fps)
