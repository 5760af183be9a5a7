"""H.264 copies of videos that browsers cannot play: made once, kept within a bound."""

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2

from extract.videos.frame import Frame
from extract.videos.frame_source import FrameSource, open_frames
from extract.videos.part import VideoError, VideoPart
from extract.videos.video_writing import write_video

# A copy by other rules is another copy; the number belongs to its name.
_RULES = 1

# Frame rate of a folder of frames of which nothing else is known, as in PHOENIX-2014T.
_FOLDER_RATE = 25.0


class PreviewCache:
    """A folder of copies; several servers may share it, and anyone may empty it."""

    def __init__(self, folder: Path, *, max_bytes: int, max_seconds: float, side: int) -> None:
        """``side`` bounds the longer side of a copy's frames, in pixels."""
        self._folder, self._max_bytes = folder, max_bytes
        self._max_seconds, self._side = max_seconds, side
        # One copy at a time: two requests for one video wait for the same copy.
        self._lock = threading.Lock()

    def kept(self, path: Path, part: VideoPart, duration: float | None) -> Path | None:
        """Returns the copy of a part of a file or folder, where there is one already.

        Raises ``OSError`` where the original is gone.
        """
        copy = self._copy_of(path, part, duration)
        try:
            # The time of last use decides what has to go.
            os.utime(copy)
        except OSError:
            return None
        return copy

    def make(self, path: Path, part: VideoPart, duration: float | None) -> Path:
        """Makes a copy unless there is one, and returns it; ``duration`` (s) times a folder.

        Raises ``VideoError`` for what cannot be decoded or is too long, ``OSError`` where the
        original is gone or the copy cannot be written.
        """
        with self._lock:
            if kept := self.kept(path, part, duration):
                return kept
            source = open_frames(path, _FOLDER_RATE, part=part)
            properties, rate = source.properties, source.properties.fps
            if path.is_dir() and duration:
                rate = properties.num_frames / duration
            if properties.num_frames / rate > self._max_seconds:
                limit = f"{self._max_seconds / 60:g} minutes"
                raise VideoError(path, f"browsers cannot play it, and it is longer than {limit}")
            copy = self._copy_of(path, part, duration)
            self._folder.mkdir(parents=True, exist_ok=True)
            write_video(copy, _fitted(source, self._side), rate)
            self._make_room(copy)
            return copy

    def _copy_of(self, path: Path, part: VideoPart, duration: float | None) -> Path:
        status = path.stat()
        made_of = (
            str(path), status.st_size, status.st_mtime_ns, part.fragment, duration, self._side,
            _RULES,
        )  # fmt: skip
        name = hashlib.sha256(repr(made_of).encode("utf-8", "backslashreplace")).hexdigest()
        return self._folder / f"{name}.mp4"

    def _make_room(self, newest: Path) -> None:
        """Deletes the copies that were not used for the longest time, but never the newest."""
        copies = []
        for copy in self._folder.glob("*.mp4"):
            try:
                copies.append((copy.stat().st_mtime_ns, copy.stat().st_size, copy))
            except FileNotFoundError:  # another server has made room
                continue
        total = sum(size for _, size, _ in copies)
        for _, size, copy in sorted(copies):
            if total <= self._max_bytes:
                break
            if copy != newest:
                copy.unlink(missing_ok=True)
                total -= size


def _fitted(source: FrameSource, side: int) -> Iterator[Frame]:
    """The frames, made smaller where they are larger than ``side``; H.264 needs even sides."""
    width, height = source.properties.width, source.properties.height
    scale = min(1.0, side / max(width, height))
    size = tuple(max(2, round(length * scale) // 2 * 2) for length in (width, height))
    for frame in source.frames():
        if frame.shape[1::-1] == size:
            yield frame
        else:
            yield cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
