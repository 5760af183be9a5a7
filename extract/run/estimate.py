"""The estimator of ``--dry-run`` and ``plan``: looks into videos, measures some, extrapolates."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from statistics import fmean
from typing import Any

import numpy as np
from jaxtyping import UInt8
from rich.table import Table

from extract.run.existing_store import compare, entries_of, staged_videos, video_changed
from extract.run.hours import Counts, StreamWork, Work, row_bytes, stream_hours
from extract.run.loop import decode_job, decode_pool
from extract.settings import ExtractSettings, FrameSettings
from extract.stream import Stream, UnusableRowsError, rows_of
from extract.videos.decode_pool import DecodePool
from extract.videos.listing import ListedVideo
from extract.videos.part import FrameCountChanged, VideoError, VideoProperties
from extract.videos.source_identity import quick_look
from seds_core.clip_plan import plan_clips
from seds_core.console import messages, print_event, progress_bar, results
from seds_core.errors import UnavailableError, UsageError
from seds_core.store.place import StoreLocation
from seds_core.store.provenance import Provenance
from seds_core.store.store_files import parts_of

MEASURED_VIDEOS = 3
MEASURED_CHUNKS = 3
"""Chunks that are decoded of a measured video, of 64 timeline frames each."""


@dataclass(frozen=True)
class SeenVideo:
    """A video that was opened, but not read."""

    video: ListedVideo
    properties: VideoProperties
    num_rows: int
    """Rows of the stream's store, if the container tells the truth."""


def look_into(
    videos: Sequence[ListedVideo], stream: Stream, frames: FrameSettings, pool: DecodePool
) -> tuple[list[SeenVideo], dict[str, str]]:
    """What the videos are like, and by id why some of them cannot be opened."""
    # The content hash is not wanted, which would read every file.
    jobs = [replace(decode_job(video, stream, frames), hash=False) for video in videos]
    listed = {video.video_id: video for video in videos}
    seen: list[SeenVideo] = []
    problems: dict[str, str] = {}
    with progress_bar() as progress:
        task = progress.add_task("looking into videos", total=len(jobs), rates="")
        for decoded in pool.stream(jobs):
            video_id = decoded.job.video_id
            try:
                num_rows = stream.num_rows(decoded)
                seen.append(SeenVideo(listed[video_id], decoded.properties, num_rows))
            except VideoError as error:
                problems[video_id] = str(error)
            progress.update(task, advance=1)
    return seen, problems


def measure_stream(
    seen: Sequence[SeenVideo], stream: Stream, frames: FrameSettings, pool: DecodePool
) -> tuple[StreamWork, dict[str, str]]:
    """What rows cost in the first video that can be extracted; by id, why earlier ones cannot.

    Decoding counts as far as the network waited for it.
    """
    problems: dict[str, str] = {}
    kind = stream.provenance.kind
    for one in seen:
        job = replace(decode_job(one.video, stream, frames), hash=False)
        for decoded in pool.stream([job]):
            began = time.monotonic()
            try:
                rows = rows_of(stream, decoded)
            except FrameCountChanged:
                # The inner loop has this one video: the next of ``seen`` is tried instead.
                continue  # the run reads such a video twice
            except (VideoError, UnusableRowsError) as error:
                problems[one.video.video_id] = str(error)
                continue
            # Decoding goes on beside the network: only what the network waited for is its cost.
            waited = decoded.seconds_waited
            seconds = time.monotonic() - began - waited
            num_rows = len(next(iter(rows.values())))
            network = Work("network", seconds / num_rows, 0.0, 0.0, "float32", "float32", 1.0)
            return StreamWork(kind, (network,), waited / decoded.num_frames), problems
    return StreamWork(kind, (), 0.0), problems


def estimate_run(
    videos: Sequence[ListedVideo],
    stream: Stream,
    made: Provenance,
    store: StoreLocation,
    settings: ExtractSettings,
) -> dict[str, Any]:
    """What a run would do: its videos, frames, rows, bytes and seconds; the store is not touched.

    One video is extracted to learn how fast the rest will be. Finished videos that wait beside the
    store count as there if they were ``made`` alike. Says what is wrong with videos.
    """
    staged = staged_videos(store, made)
    unfinished = [video for video in videos if video.video_id not in staged]
    found = compare(unfinished, entries_of(store), video_changed)
    run = settings.run
    with decode_pool(run) as pool:
        seen, problems = look_into(found.todo, stream, settings.frames, pool)
        work, unusable = measure_stream(seen, stream, settings.frames, pool)
    problems |= unusable
    seen = [one for one in seen if one.video.video_id not in problems]
    for one in seen:
        for note in one.properties.notes:
            messages.print(f"{one.video.video_id}: {note}", markup=False)
    for video_id, problem in problems.items():
        messages.print(f"{video_id}: {problem}", markup=False)

    # From here on, all videos cost what the measured one did.
    num_frames = sum(one.properties.num_frames for one in seen)
    num_rows = sum(one.num_rows for one in seen)
    counts = Counts(len(seen), num_frames, timeline_frames=num_rows, clips=num_rows)
    # Decoding was measured as waiting already, wherever the network runs.
    hours = stream_hours(counts, work, run.decode_workers, shares_cores=True)
    return {
        "store": str(store),
        "missing": len(found.missing),
        "changed": len(found.changed),
        "already_there": len(videos) - len(found.todo),
        "unreadable": len(problems),
        "frames": num_frames,
        "rows": num_rows,
        "bytes": num_rows * row_bytes(parts_of(made)["rows"]),
        "seconds": round(3600 * hours.in_all, 1),
    }


def print_estimate(estimate: dict[str, Any], *, as_json: bool) -> None:
    """Prints what a run would do."""
    if as_json:
        print_event("dry_run", **estimate)
        return
    num_videos = estimate["missing"] + estimate["changed"] - estimate["unreadable"]
    table = Table(title="Dry run: nothing is written", title_justify="left", show_header=False)
    table.add_row("store", estimate["store"])
    table.add_row("to extract", f"{num_videos:,} videos")
    table.add_row("  of these changed", f"{estimate['changed']:,}")
    table.add_row("already there", f"{estimate['already_there']:,}")
    table.add_row("cannot be opened", f"{estimate['unreadable']:,}")
    table.add_row("frames", f"{estimate['frames']:,}")
    table.add_row("rows", f"{estimate['rows']:,}")
    table.add_row("size before compression", f"{estimate['bytes'] / 1e6:,.1f} MB")
    table.add_row("time, at the speed of one video", f"{estimate['seconds'] / 60:,.1f} min")
    results.print(table)


@dataclass(frozen=True)
class VideoSample:
    """What was found in some of the videos that are to be extracted."""

    source: str
    """Where the videos are from."""
    num_videos: int
    """All of them."""
    lengths: tuple[int, ...]
    """Frames of the videos that were looked into and can be read."""
    num_unreadable: int
    """Videos that were looked into and cannot be opened."""
    mean_fps: float
    raw_bytes: int | None
    """Bytes of all sources; ``None`` where it is not known."""

    @property
    def num_seen(self) -> int:
        """Videos that were looked into."""
        return len(self.lengths) + self.num_unreadable

    @property
    def is_whole(self) -> bool:
        """Whether these are all videos, so that nothing was extrapolated."""
        return self.num_seen == self.num_videos


def count(sample: VideoSample, settings: ExtractSettings) -> Counts:
    """The sample's frames and clips, scaled to all videos; the sample has a readable video."""
    plans = [
        plan_clips(
            length,
            max_frames=settings.frames.max_frames,
            clip_length=settings.rgb.clip_length,
            max_clips=settings.rgb.clip_limit,
        )
        for length in sample.lengths
    ]
    # Videos that cannot be opened stand for others like them: they count as seen.
    scale = sample.num_videos / sample.num_seen
    return Counts(
        videos=round(scale * len(sample.lengths)),
        frames=round(scale * sum(sample.lengths)),
        timeline_frames=round(scale * sum(plan.num_timeline_frames for plan in plans)),
        clips=round(scale * sum(len(plan.starts) for plan in plans)),
    )


def evenly_chosen(count: int, limit: int) -> Sequence[int]:
    """Indices of at most ``limit`` of ``count`` things, spread evenly.

    >>> list(evenly_chosen(10, 4)), list(evenly_chosen(3, 4))
    ([0, 2, 5, 7], [0, 1, 2])
    """
    return [index * count // limit for index in range(limit)] if count > limit else range(count)


def sample_videos(
    videos: Sequence[ListedVideo], limit: int, stream: Stream, frames: FrameSettings, source: str
) -> tuple[VideoSample, tuple[ListedVideo, ...]]:
    """What at most ``limit`` videos are like, and those of them that can be opened.

    Raises ``UsageError`` when none of them can be.
    """
    chosen = [videos[index] for index in evenly_chosen(len(videos), limit)]
    with DecodePool(num_workers=0) as pool:
        seen, problems = look_into(chosen, stream, frames, pool)
    if not seen:
        raise UsageError(
            f"none of the {len(chosen)} videos that were looked into can be opened, such as "
            f"{chosen[0].path}: are the paths of {source} right?"
        )
    # A recording of several videos takes its bytes once.
    bytes_of_source = fmean(
        quick_look(path).size_bytes for path in {one.video.path for one in seen}
    )
    sample = VideoSample(
        source=source,
        num_videos=len(videos),
        lengths=tuple(one.properties.num_frames for one in seen),
        num_unreadable=len(problems),
        mean_fps=fmean(one.properties.fps for one in seen),
        raw_bytes=round(bytes_of_source * len({video.path for video in videos})),
    )
    return sample, tuple(one.video for one in seen)


@dataclass(frozen=True)
class DecodedSample:
    """What decoding a few videos gave."""

    seconds_a_frame: float
    """Of one process, for each frame of a video, on the timeline or not; with opening it."""
    frames: UInt8[np.ndarray, "frame height width channel=3"]
    """The first chunk, as the stream's networks get it."""


def decode_some(
    videos: Sequence[ListedVideo], stream: Stream, frames: FrameSettings
) -> DecodedSample:
    """Decodes the beginnings of a few of the videos in this process, alone.

    Raises ``UnavailableError`` when none of them can be decoded.
    """
    kept: UInt8[np.ndarray, "_ _ _ channel=3"] | None = None
    num_frames, began = 0, time.perf_counter()
    with DecodePool(num_workers=0) as pool:
        for video in videos[:: max(1, len(videos) // MEASURED_VIDEOS)][:MEASURED_VIDEOS]:
            decoded = pool.decode(replace(decode_job(video, stream, frames), hash=False))
            # A damaged video gives fewer chunks; the extraction says what is wrong with it.
            with suppress(VideoError, FrameCountChanged):
                for chunk in islice(decoded.chunks(), MEASURED_CHUNKS):
                    kept = chunk.frames if kept is None else kept
                    num_frames += len(chunk.frames) * decoded.frame_step
            decoded.close()
    if kept is None:
        raise UnavailableError(f"no video could be decoded, such as {videos[0].path}")
    return DecodedSample((time.perf_counter() - began) / num_frames, kept)
