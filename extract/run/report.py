"""What a run reports while it works and when it is done."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.markup import escape
from rich.progress import Progress, TaskID

from extract.run.profile import RunProfile
from extract.videos.listing import ListedVideo
from seds_core.command_line import EXIT_ERROR
from seds_core.console import fail, messages, print_event, print_table
from seds_core.store.place import StoreLocation
from seds_core.store.records import FailedVideo

EXIT_ALL_THERE = 0
EXIT_SOME_FAILED = 3
EXIT_OTHERS_AT_WORK = 4
EXIT_INTERRUPTED = 130

_ENDS = ("finished", "failed", "broken")
"""Events with which a video's turn ends."""

MAX_DEVICES_SHOWN = 8
"""Devices whose rates are shown one by one."""


@dataclass
class RunReport:
    """Counts a run and shows its progress.

    With ``as_json``, standard output gets one JSON object a line: ``started``, ``noted``,
    ``finished`` and ``failed`` events, at the end the ``profile`` if it was asked for, and the
    ``summary``.
    """

    progress: Progress
    task: TaskID
    already_there: int
    as_json: bool
    num_finished: int = 0
    num_frames: int = 0
    num_rows: int = 0
    failures: list[FailedVideo] = field(default_factory=list)
    in_other_hands: int = 0
    """Videos that other processes were at work on at the end."""
    broken: list[str] = field(default_factory=list)
    """Videos at which the program failed: nothing is recorded of them."""
    frames_of: Counter[str] = field(default_factory=Counter)
    """Frames of finished videos by the device of the worker, where there are several."""
    listeners: tuple[Callable[[str, Mapping[str, Any]], None], ...] = ()
    """Get every event and its values."""
    _began: float = field(default_factory=time.monotonic)
    # When the turn of each video in hand came.
    _since: dict[str, float] = field(default_factory=dict)

    def started(self, video_id: str) -> None:
        """A video's turn has come."""
        self._event("started", video_id=video_id)

    def finished(self, video_id: str, *, num_frames: int, num_rows: int, device: str = "") -> None:
        """A video is safe in the store; ``device`` is the worker's, where there are several."""
        self.num_finished += 1
        self.num_frames += num_frames
        self.num_rows += num_rows
        if device:
            self.frames_of[device] += num_frames
        self._event("finished", video_id=video_id, frames=num_frames, rows=num_rows)
        self._advance()

    def noted(self, video: ListedVideo, note: str) -> None:
        """Something about a video's frames should be known."""
        self._event("noted", video_id=video.video_id, path=video.source_name, note=note)
        messages.print(f"[yellow]note[/] {escape(video.source_name)}: {escape(note)}")

    def failed(self, failure: FailedVideo) -> None:
        """A video could not be extracted."""
        self.failures.append(failure)
        self._event("failed", video_id=failure.video_id, path=failure.path, reason=failure.reason)
        messages.print(f"[red]failed[/] {escape(failure.path)}: {escape(failure.reason)}")
        self._advance()

    def broke(self, video: ListedVideo, error: str, trace: str) -> None:
        """The program failed at a video, for no fault of the video's."""
        # The trace is told once: the next errors are mostly the same.
        is_first = not self.broken
        self.broken.append(video.video_id)
        self._event("broken", video_id=video.video_id, path=video.source_name, reason=error)
        messages.print(
            f"[red]an error of this program's, not of the video's[/], at "
            f"{escape(video.source_name)}: {escape(error)}"
        )
        if is_first:
            messages.print(trace, markup=False)
        self._advance()

    def worker_lost(self, where: str, reason: str, videos: Sequence[str]) -> None:
        """A worker is gone; the videos in its hands are done again by others."""
        self._event("worker_lost", worker=where, reason=reason, videos=list(videos))
        again = f"; in its hands, to be done again: {len(videos)} videos" if videos else ""
        messages.print(f"[yellow]worker lost[/] {escape(where)}: {escape(reason)}{again}")

    def failed_elsewhere(self, failure: FailedVideo) -> None:
        """One of the run's videos failed in another process, unless this one has reported it."""
        # The store lists the failures of all processes.
        if failure not in self.failures:
            self.failures.append(failure)

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        # The first that holds decides: an error of the program comes before all else.
        if self.broken:
            return EXIT_ERROR
        if self.in_other_hands:
            return EXIT_OTHERS_AT_WORK
        return EXIT_SOME_FAILED if self.failures else EXIT_ALL_THERE

    @property
    def num_done(self) -> int:
        """Videos that are finished or failed."""
        return self.num_finished + len(self.failures)

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def summary(self, *, store: str) -> dict[str, Any]:
        """The run in numbers."""
        return {
            "store": store,
            "finished": self.num_finished,
            "already_there": self.already_there,
            "in_other_hands": self.in_other_hands,
            "failed": [asdict(failure) for failure in self.failures],
            "broken": self.broken,
            "frames": self.num_frames,
            "rows": self.num_rows,
            "seconds": round(self.seconds, 1),
        }

    def print_end(self, store: StoreLocation, times: RunProfile | None) -> None:
        """Prints where the time went, if that is wanted, and the run in numbers."""
        if times is not None:
            self.print_profile(times)
        self.print_summary(self.summary(store=str(store)))

    def print_summary(self, summary: dict[str, Any]) -> None:
        """Prints the run in numbers, and every failure with its reason."""
        if self.as_json:
            self._event("summary", **summary)
            return
        # A run with nothing to do may take no measurable time.
        seconds = max(summary["seconds"], 1e-9)
        rows = {
            "videos extracted": f"{summary['finished']:,}",
            "already there": f"{summary['already_there']:,}",
        }
        if summary["in_other_hands"]:
            rows["other processes at work on"] = f"{summary['in_other_hands']:,}"
        rows |= {
            "failed": f"{len(summary['failed']):,}",
            "frames": f"{summary['frames']:,} ({summary['frames'] / seconds:.1f}/s)",
            "rows": f"{summary['rows']:,}",
            "time": f"{seconds:.1f} s",
        }
        print_table(f"Extracted into {summary['store']}", rows)
        for failure in summary["failed"]:
            fail(f"{escape(failure['path'])}: {escape(failure['reason'])}")
        if summary["broken"]:
            fail(
                f"this program itself failed at {len(summary['broken'])} videos, as told above; "
                "they are not recorded as failed: the same command tries them again"
            )

    def print_profile(self, profile: RunProfile) -> None:
        """Prints where the time went."""
        if self.as_json:
            self._event("profile", **profile.figures)
        else:
            profile.print_table()

    def _advance(self) -> None:
        rates = (
            f"{self.num_finished / self.seconds:.2f} videos/s "
            f"{self.num_frames / self.seconds:.0f} frames/s {len(self.failures)} failed"
        )
        self.progress.update(self.task, advance=1, rates=rates + self._device_rates())

    def _device_rates(self) -> str:
        """Frames a second of each device, or of the slowest and the fastest of many."""
        rates = {name: count / self.seconds for name, count in self.frames_of.items()}
        if len(rates) > MAX_DEVICES_SHOWN:
            slowest, fastest = min(rates.values()), max(rates.values())
            return f", {len(rates)} devices at {slowest:.0f} to {fastest:.0f} frames/s each"
        return "".join(f", {escape(name)} {rate:.0f}/s" for name, rate in sorted(rates.items()))

    def _event(self, event: str, **values: Any) -> None:  # noqa: ANN401 - any JSON value
        video_id = values.get("video_id")
        if event == "started":
            self._since[str(video_id)] = time.monotonic()
        elif event in _ENDS and video_id in self._since:
            values["seconds"] = round(time.monotonic() - self._since.pop(str(video_id)), 3)
        for listener in self.listeners:
            listener(event, values)
        if self.as_json:
            print_event(event, **values)
