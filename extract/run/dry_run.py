"""What a run would do: its videos, frames, rows, bytes and an estimated time."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from extract.run.existing_store import Comparison, compare, entries_of, staged_videos, video_changed
from extract.run.loop import decode_job
from extract.settings import ExtractSettings
from extract.stream import Stream, rows_of
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodedVideo
from extract.videos.listing import ListedVideo
from extract.videos.part import FrameCountChanged, VideoError
from seds_core.console import messages, progress_bar, results
from seds_core.store.provenance import Provenance


@dataclass
class Estimate:
    """Sums over the videos that a run would extract, by what their containers say."""

    videos: int = 0
    frames: int = 0
    rows: int = 0
    unreadable: int = 0
    bytes_per_row: float = 0.0
    seconds_per_row: float = 0.0

    @property
    def stored_bytes(self) -> int:
        """Size of the rows before compression."""
        return round(self.rows * self.bytes_per_row)

    @property
    def seconds(self) -> float:
        """Time at the speed that the sample had."""
        return self.rows * self.seconds_per_row


def print_dry_run(
    videos: Sequence[ListedVideo],
    stream: Stream,
    made: Provenance,
    store: Path,
    settings: ExtractSettings,
    *,
    as_json: bool,
) -> None:
    """Measures one video, estimates the rest and prints both; the store is not touched.

    Finished videos that wait for the store count as there if they were ``made`` alike.
    """
    waiting = staged_videos(store, made)
    wanted = tuple(video for video in videos if video.video_id not in waiting)
    plan = compare(wanted, entries_of(store), video_changed)
    num_there = len(videos) - len(plan.todo)
    estimate = _estimate(plan, stream, settings)
    summary = {
        "store": str(store),
        "missing": len(plan.missing),
        "changed": len(plan.changed),
        "already_there": num_there,
        "unreadable": estimate.unreadable,
        "frames": estimate.frames,
        "rows": estimate.rows,
        "bytes": estimate.stored_bytes,
        "seconds": round(estimate.seconds, 1),
    }
    if as_json:
        sys.stdout.write(json.dumps({"event": "dry_run", **summary}) + "\n")
        return
    table = Table(title="Dry run: nothing is written", title_justify="left", show_header=False)
    table.add_row("store", str(store))
    table.add_row("to extract", f"{estimate.videos:,} videos")
    table.add_row("  of these changed", f"{len(plan.changed):,}")
    table.add_row("already there", f"{num_there:,}")
    table.add_row("cannot be opened", f"{estimate.unreadable:,}")
    table.add_row("frames", f"{estimate.frames:,}")
    table.add_row("rows", f"{estimate.rows:,}")
    table.add_row("size before compression", f"{estimate.stored_bytes / 1e6:,.1f} MB")
    table.add_row("time, at the speed of one video", f"{estimate.seconds / 60:,.1f} min")
    results.print(table)


def _estimate(plan: Comparison[ListedVideo], stream: Stream, settings: ExtractSettings) -> Estimate:
    estimate = Estimate()
    jobs = [replace(decode_job(video, stream, settings.frames), hash=False) for video in plan.todo]
    run = settings.run
    with DecodePool(run.decode_workers, run.decode_timeout) as pool, progress_bar() as progress:
        task = progress.add_task("looking at videos", total=len(jobs), rates="")
        for decoded in pool.stream(jobs):
            progress.update(task, advance=1)
            try:
                num_rows = stream.num_rows(decoded)
                for note in decoded.properties.notes:
                    messages.print(f"{decoded.job.video_id}: {note}", markup=False)
                if not estimate.rows:
                    _measure(estimate, stream, decoded)
            except (VideoError, FrameCountChanged) as error:
                messages.print(f"{decoded.job.video_id}: {error}", markup=False)
                estimate.unreadable += 1
                continue
            estimate.videos += 1
            estimate.frames += decoded.properties.num_frames
            estimate.rows += num_rows
    return estimate


def _measure(estimate: Estimate, stream: Stream, decoded: DecodedVideo) -> None:
    """Extracts one video to learn how large a row is and how long it takes."""
    began = time.monotonic()
    rows = rows_of(stream, decoded)
    num_rows = len(next(iter(rows.values())))
    estimate.seconds_per_row = (time.monotonic() - began) / num_rows
    estimate.bytes_per_row = sum(array.nbytes for array in rows.values()) / num_rows
