"""What can be wrong with a video, said so that a person understands it."""

from pathlib import Path

from seds_core.errors import UnavailableError


class VideoError(UnavailableError):
    """A video that cannot be read to its end; ``reason`` says why and how far it got."""

    def __init__(self, path: Path, reason: str) -> None:
        """Of the video at ``path``; the reason is a sentence without the path."""
        super().__init__(path, reason)  # both, so that the error survives pickling
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        """The path and the reason."""
        return f"{self.path}: {self.reason}"


class FrameCountChanged(Exception):  # noqa: N818 - not an error: the video is fine, decode it anew
    """A video has not the frames it was said to have, and so another timeline.

    The frames handed over belong to the wrong timeline; decoding again with ``num_frames`` in the
    job gives the right one.
    """

    def __init__(self, num_frames: int) -> None:
        """The video has ``num_frames`` frames."""
        super().__init__(num_frames)
        self.num_frames = num_frames

    def __str__(self) -> str:
        """The number of frames that decoding gave."""
        return f"decoding gave {self.num_frames} frames, which makes another timeline"
