"""What a run reports while it works and when it is done, and where its time went."""

import resource
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

from extract.videos.decoding import DecodeJob
from seds_core.command_line import EXIT_ERROR
from seds_core.console import fail, messages, print_event, print_table, results
from seds_core.store.records import FailedVideo, FinishedVideo

EXIT_ALL_THERE = 0
EXIT_SOME_FAILED = 3
EXIT_OTHERS_AT_WORK = 4
EXIT_INTERRUPTED = 130


@dataclass
class RunProfile:
    """Seconds of a run, which reads, computes and writes at the same time.

    One thread alone adds to each figure.
    """

    decode_workers: int
    loading: float = 0.0
    """Before the run, until the network was ready."""
    frames: float = 0.0
    """The reading thread waited for decoders."""
    prepare: float = 0.0
    """The reading thread made the network's input of frames."""
    model: float = 0.0
    """The main thread had the network compute."""
    model_waited_for_frames: float = 0.0
    """The main thread had nothing to compute."""
    model_waited_for_store: float = 0.0
    """The main thread could not hand over what it had computed."""
    write: float = 0.0
    """The writing thread wrote to the store."""
    wall: float = 0.0
    """The whole run."""
    decode_cpu: float = 0.0
    """Processor time of the decoding processes, or of this thread where there are none."""
    _began: float = field(default_factory=time.monotonic)
    # Other child processes may have ended before the run.
    _children_before: float = field(default_factory=lambda: _seconds_of_children())

    @contextmanager
    def spent(self, name: str) -> Iterator[None]:
        """Adds the time of the block to a figure."""
        began = time.monotonic()
        try:
            yield
        finally:
            setattr(self, name, getattr(self, name) + time.monotonic() - began)

    def end(self) -> None:
        """Notes the run's length; the decoding processes must have ended."""
        self.wall = time.monotonic() - self._began
        self.decode_cpu = _seconds_of_children() - self._children_before
        # Without processes decoding runs in the reading thread, which waits for it.
        if not self.decode_workers:
            self.decode_cpu = self.frames

    @property
    def figures(self) -> dict[str, float | int]:
        """All figures by name, in seconds rounded to milliseconds."""
        return {
            name: round(value, 3) for name, value in vars(self).items() if not name.startswith("_")
        }

    def advice(self) -> str:
        """What held the run up, and what would help."""
        if self.model_waited_for_frames < 0.1 * self.wall:
            return "The network was at work almost all the time: only a faster device helps."
        if self.prepare > self.frames:
            return (
                "The network waited for frames to be prepared: run a second process on the same "
                "store."
            )
        return (
            f"The network waited for decoded frames: raise run.decode_workers, now "
            f"{self.decode_workers}, if there are processors left."
        )

    def print_table(self) -> None:
        """Prints the figures, and the advice."""
        table = Table(title="Where the time went", title_justify="left")
        for title in ("", "seconds", "of the run"):
            table.add_column(title, justify="left" if not title else "right")
        wall = max(self.wall, 1e-9)
        lines = (
            ("model: the network computed", self.model),
            ("waiting: the network had no frames", self.model_waited_for_frames),
            ("waiting: the network had to wait for the store", self.model_waited_for_store),
            (f"decode: processor time, {self.decode_workers} processes", self.decode_cpu),
            ("prepare: frames became network input", self.prepare),
            ("waiting: preparing had no decoded frames", self.frames),
            ("write: rows were stored", self.write),
            ("the whole run", self.wall),
            ("loading the network, before it", self.loading),
        )
        for text, seconds in lines:
            table.add_row(text, f"{seconds:,.1f}", f"{seconds / wall:.0%}")
        results.print(table)
        results.print(self.advice())


def _seconds_of_children() -> float:
    """Processor seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


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
    _began: float = field(default_factory=time.monotonic)

    def started(self, video_id: str) -> None:
        """A video's turn has come."""
        self._event("started", video_id=video_id)

    def finished(self, video: FinishedVideo) -> None:
        """A video is safe in the store."""
        self.num_finished += 1
        self.num_frames += video.source.num_frames
        self.num_rows += video.num_rows
        self._event(
            "finished",
            video_id=video.source.video_id,
            frames=video.source.num_frames,
            rows=video.num_rows,
        )
        self._advance()

    def noted(self, job: DecodeJob, note: str) -> None:
        """Something about a video's frames should be known."""
        self._event("noted", video_id=job.video_id, path=job.source_name, note=note)
        messages.print(f"[yellow]note[/] {escape(job.source_name)}: {escape(note)}")

    def failed(self, failure: FailedVideo) -> None:
        """A video could not be extracted."""
        self.failures.append(failure)
        self._event("failed", video_id=failure.video_id, path=failure.path, reason=failure.reason)
        messages.print(f"[red]failed[/] {escape(failure.path)}: {escape(failure.reason)}")
        self._advance()

    def broke(self, video_id: str, path: str, error: Exception) -> None:
        """The program failed at a video, for no fault of the video's."""
        # The trace is told once: the next errors are mostly the same.
        is_first = not self.broken
        self.broken.append(video_id)
        reason = f"{type(error).__name__}: {error}"
        self._event("broken", video_id=video_id, path=path, reason=reason)
        messages.print(
            f"[red]an error of this program's, not of the video's[/], at {escape(path)}: "
            f"{escape(reason)}"
        )
        if is_first:
            messages.print("".join(traceback.format_exception(error)), markup=False)
        self._advance()

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
        self.progress.update(self.task, advance=1, rates=rates)

    def _event(self, event: str, **values: Any) -> None:  # noqa: ANN401 - any JSON value
        if self.as_json:
            print_event(event, **values)
