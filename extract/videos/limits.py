"""How a decoder works, and what one video may ask of it; one that asks for more is refused."""

import time
from dataclasses import dataclass
from pathlib import Path

from extract.videos.frame import Progress
from extract.videos.part import MAX_PIXELS, FileDecoder, VideoError, VideoProperties, over_limit


@dataclass(frozen=True)
class DecodeRules:
    """The settings under ``extract.run`` that decoders heed; no sign video meets their limits."""

    decoder: FileDecoder = "pyav"
    """What decodes files, where it can."""
    max_pixels: int = MAX_PIXELS
    """Of a frame."""
    max_video_frames: int = 2_000_000
    """Of a video, whether they are used or not."""
    max_video_hours: float = 6.0
    """How long a video is shown."""
    max_decode_seconds: float = 3_600.0
    """Of a processor, for one video."""
    decoder_memory_gb: float = 4.0
    """GB that a decoding process may take beyond what it has when it starts."""

    def check(self, path: Path, properties: VideoProperties) -> None:
        """Raises ``VideoError`` for a video of too many frames, or too long a one."""
        if properties.num_frames > self.max_video_frames:
            what = f"has {properties.num_frames:,} frames"
            raise VideoError(
                path, over_limit(what, f"{self.max_video_frames:,}", "max_video_frames")
            )
        hours = properties.duration / 3600
        if hours > self.max_video_hours:
            what = f"is {hours:.1f} hours long"
            raise VideoError(path, over_limit(what, f"{self.max_video_hours:g}", "max_video_hours"))

    def watched(self, path: Path, progress: Progress) -> Progress:
        """The same signs of life, that end with ``VideoError`` once decoding takes too long.

        What this thread waits for does not count, such as memory that the reader holds.
        """
        last = time.thread_time() + self.max_decode_seconds

        def watched() -> None:
            if time.thread_time() > last:
                raise VideoError(
                    path,
                    over_limit(
                        "is still being decoded",
                        f"{self.max_decode_seconds:g} s",
                        "max_decode_seconds",
                    ),
                )
            progress()

        return watched

    def too_little_memory(self, path: Path, symptom: str) -> VideoError:
        """What is told of a video at which a decoder ran short of memory."""
        limit = f"{self.decoder_memory_gb:g} GB"
        what = f"{symptom}; decoding it takes memory"
        return VideoError(path, over_limit(what, limit, "decoder_memory_gb"))


USUAL_RULES = DecodeRules()
"""The defaults of the settings."""
