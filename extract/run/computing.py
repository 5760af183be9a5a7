"""The main thread's work: pieces of all videos go through the network, and videos become whole."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from extract.pass_size import PassSize
from extract.run.profile import RunProfile
from extract.run.reading import Begun, Ended, Piece, ReadingStep, Restarted, VideoAtWork
from extract.stream import Rows, Stream


class Computing:
    """Fills the network's passes with pieces of whatever videos come; gives videos in order."""

    def __init__(self, stream: Stream, profile: RunProfile) -> None:
        """Nothing has come yet."""
        self._stream = stream
        self._profile = profile
        self._pass_size = PassSize(stream.pass_size)
        self._waiting: list[tuple[VideoAtWork, Any]] = []
        self._videos: deque[VideoAtWork] = deque()

    def videos(self, steps: Iterable[ReadingStep]) -> Iterator[VideoAtWork]:
        """The videos in order, each as soon as it is done, failed or not."""
        remaining = iter(steps)
        while True:
            with self._profile.spent("model_waited_for_frames"):
                step = next(remaining, None)
            if step is None:
                break
            self._take(step)
            yield from self._done()
        self._compute()
        yield from self._done()

    def _take(self, step: ReadingStep) -> None:
        video = step.video
        if isinstance(step, Begun):
            self._videos.append(video)
        elif isinstance(step, Piece):
            if video.outcome is None:
                self._waiting.append((video, step.value))
                video.num_waiting += 1
            if len(self._waiting) == self._stream.pass_size:
                self._compute()
        elif isinstance(step, Restarted):
            self._drop(video)
            video.parts.clear()
            video.outcome = None
        elif isinstance(step, Ended):
            if isinstance(step.outcome, Exception):
                self._drop(video)
                video.fail(step.outcome)
            elif video.outcome is None:
                video.outcome = step.outcome

    def _drop(self, video: VideoAtWork) -> None:
        """Forgets what waits of a video."""
        self._waiting = [pair for pair in self._waiting if pair[0] is not video]
        video.num_waiting = 0

    def _done(self) -> Iterator[VideoAtWork]:
        while self._videos and self._videos[0].is_done:
            yield self._videos.popleft()

    def _compute(self) -> None:
        """One pass. Should it fail, the videos go through one by one, and those that fail alone."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            self._pass(waiting)
        except Exception as error:
            videos = list(dict.fromkeys(video for video, _ in waiting))
            if len(videos) == 1:
                videos[0].fail(error)
                return
            for video in videos:
                try:
                    self._pass([pair for pair in waiting if pair[0] is video])
                except Exception as own_error:
                    video.fail(own_error)
        finally:
            for video, _ in waiting:
                video.num_waiting -= 1

    def _pass(self, waiting: list[tuple[VideoAtWork, Any]]) -> None:
        def compute(some: Sequence[tuple[VideoAtWork, Any]]) -> list[Rows]:
            return self._stream.rows([piece for _, piece in some])

        with self._profile.spent("model"):
            rows = self._pass_size.run(waiting, compute)
        for (video, _), part in zip(waiting, rows, strict=True):
            video.parts.append(part)
