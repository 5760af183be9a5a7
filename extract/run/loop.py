"""The loop: claim a video, decode it, make its rows, keep them; a failure costs only itself."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from extract.decoding.decode_job import DecodeJob
from extract.decoding.decode_pool import DecodePool
from extract.decoding.decoded_video import DecodedVideo
from extract.decoding.video_error import FrameCountChanged, VideoError
from extract.decoding.video_part import part_name
from extract.run.report import RunReport
from extract.run.stream import Stream
from extract.settings import FrameSettings
from extract.video_list import ListedVideo
from seds_core.store.records import FailedVideo, FinishedVideo, VideoSource
from seds_core.store.writer import StoreWriter

MAX_UNEXPECTED_ERRORS = 3
"""Videos in a row that may fail for a reason of our own before the run gives up."""


def extract_videos(
    videos: Iterable[ListedVideo],
    stream: Stream,
    writer: StoreWriter,
    pool: DecodePool,
    frames: FrameSettings,
    report: RunReport,
) -> None:
    """Extracts the videos that no process has done yet, in order, into the writer's store."""
    jobs = {video.video_id: decode_job(video, stream, frames) for video in videos}
    writer.want(jobs)
    num_done = -1
    while num_done != report.num_done:  # look again: another process may have died since
        num_done = report.num_done
        _extract_claimed(jobs, stream, writer, pool, report)


def _extract_claimed(
    jobs: dict[str, DecodeJob],
    stream: Stream,
    writer: StoreWriter,
    pool: DecodePool,
    report: RunReport,
) -> None:
    """Extracts as long as there are videos to claim."""
    unexpected = 0
    for decoded in pool.stream(_claimed(jobs, writer)):
        job = decoded.job
        report.started(job.video_id)
        try:
            video = _extract(decoded, stream, pool)
        except VideoError as error:
            failure = FailedVideo.now(job.video_id, job.source_name, error.reason)
        except Exception as error:
            unexpected += 1
            if unexpected >= MAX_UNEXPECTED_ERRORS:
                raise
            reason = f"unexpected {type(error).__name__}: {error}"
            failure = FailedVideo.now(job.video_id, job.source_name, reason)
        else:
            unexpected = 0
            writer.finish(video)
            report.finished(video)
            continue
        writer.fail(failure)
        report.failed(failure)


def decode_job(video: ListedVideo, stream: Stream, frames: FrameSettings) -> DecodeJob:
    """What the decoder must know of a video."""
    return DecodeJob(
        video_id=video.video_id,
        path=video.path,
        part=video.part,
        folder_fps=frames.folder_fps,
        max_frames=frames.max_frames,
        fit=stream.fit,
    )


def _claimed(jobs: dict[str, DecodeJob], writer: StoreWriter) -> Iterator[DecodeJob]:
    """Jobs as the pool asks for them: a video is claimed only when a decoder is free for it."""
    while (video_id := writer.claim()) is not None:
        yield jobs[video_id]


def _extract(decoded: DecodedVideo, stream: Stream, pool: DecodePool) -> FinishedVideo:
    try:
        rows = stream.rows(decoded)
    except FrameCountChanged as change:
        # The container lied about its length; what decoding counted is the truth.
        decoded = pool.decode(replace(decoded.job, num_frames=change.num_frames))
        rows = stream.rows(decoded)
    return FinishedVideo(_source(decoded), rows)


def _source(decoded: DecodedVideo) -> VideoSource:
    properties, identity = decoded.properties, decoded.identity
    return VideoSource(
        video_id=decoded.job.video_id,
        path=part_name(decoded.job.path.resolve(), decoded.job.part),
        size_bytes=identity.size_bytes,
        mtime_ns=identity.mtime_ns,
        content_hash=identity.content_hash,
        num_frames=decoded.num_frames,
        frame_step=decoded.frame_step,
        fps=properties.fps,
        duration=properties.duration,
        width=properties.width,
        height=properties.height,
    )
