"""The driver's desk: claims videos in a store, keeps what becomes of them, and reports it."""

import traceback
from collections.abc import Iterable, Sequence

from extract.run.report import RunReport
from extract.videos.listing import ListedVideo
from seds_core.store.records import FailedVideo, FinishedVideo
from seds_core.store.writer import RecordWriter, StoreWriter


class StoreDesk:
    """A :class:`~extract.run.engine.VideoDesk` on a store that this process writes to."""

    def __init__(
        self, videos: Iterable[ListedVideo], writer: StoreWriter, report: RunReport
    ) -> None:
        """``videos`` are to be extracted, in this order."""
        self.report = report
        self._writer = writer
        self._videos = {video.video_id: video for video in videos}
        writer.want(self._videos)

    @property
    def num_in_other_hands(self) -> int:
        """Videos that other runs were working on when the last one was claimed."""
        return self._writer.in_other_hands

    def claim(self) -> ListedVideo | None:
        """The next video that no process has done or works on."""
        video_id = self._writer.claim()
        return None if video_id is None else self._videos[video_id]

    def records(self) -> RecordWriter:
        """What lets workers write records of videos that were claimed here."""
        return self._writer.records()

    def started(self, video: ListedVideo) -> None:
        """Reports that a video's turn has come."""
        self.report.started(video.video_id)

    def noted(self, video: ListedVideo, note: str) -> None:
        """Reports what should be known of a video's frames."""
        self.report.noted(video, note)

    def finish(self, video: FinishedVideo) -> None:
        """Makes a video's rows durable."""
        self._writer.finish(video)
        source = video.source
        self.report.finished(source.video_id, num_frames=source.num_frames, num_rows=video.num_rows)

    def fail(self, failure: FailedVideo) -> None:
        """Records why a video has no rows."""
        self._writer.fail(failure)
        self.report.failed(failure)

    def give_up(self, video: ListedVideo, error: Exception) -> None:
        """Leaves a video at which the program failed to a later run."""
        trace = "".join(traceback.format_exception(error))
        self.gave_up(video, f"{type(error).__name__}: {error}", trace)

    def finished(self, video_id: str, *, num_frames: int, num_rows: int, device: str) -> None:
        """Takes in a video whose record a worker has written."""
        self._writer.recorded(video_id, num_rows)
        self.report.finished(video_id, num_frames=num_frames, num_rows=num_rows, device=device)

    def failed(self, failure: FailedVideo) -> None:
        """Takes in a failure whose record a worker has written."""
        self._writer.recorded(failure.video_id, num_rows=0)
        self.report.failed(failure)

    def worker_lost(self, where: str, reason: str, video_ids: Sequence[str]) -> None:
        """Reports a worker that has ended with these videos in its hands."""
        self.report.worker_lost(where, reason, video_ids)

    def gave_up(self, video: ListedVideo, error: str, trace: str) -> None:
        """Leaves a video at which a worker's program failed to a later run."""
        self._writer.release(video.video_id)
        self.report.broke(video, error, trace)
