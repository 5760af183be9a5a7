"""What an export tells while it works and when it is done."""

import json
import sys
from dataclasses import dataclass, field
from typing import Any

from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

from seds_core.console import fail, messages, results


@dataclass
class ExportReport:
    """Counts an export and shows its progress.

    With ``as_json``, standard output gets one JSON object a line: ``finished`` and ``failed``
    events and at the end the ``summary``.
    """

    progress: Progress
    task: TaskID
    as_json: bool
    num_written: int = 0
    num_there: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """Video -> why it has no file."""

    def written(self, video_id: str) -> None:
        """A video's file is whole."""
        self.num_written += 1
        self._event("finished", video_id=video_id)
        self.progress.advance(self.task)

    def already_there(self) -> None:
        """A video has a file of the store as it is."""
        self.num_there += 1
        self.progress.advance(self.task)

    def failed(self, video_id: str, reason: str) -> None:
        """A video could not be written."""
        self.failures[video_id] = reason
        self._event("failed", video_id=video_id, reason=reason)
        messages.print(f"[red]failed[/] {escape(video_id)}: {escape(reason)}")
        self.progress.advance(self.task)

    def print_summary(self, out: str) -> None:
        """Prints the export in numbers, and every failure with its reason."""
        if self.as_json:
            self._event(
                "summary",
                out=out,
                finished=self.num_written,
                already_there=self.num_there,
                failed=self.failures,
            )
            return
        table = Table(title=f"Exported to {escape(out)}", title_justify="left", show_header=False)
        table.add_row("files written", f"{self.num_written:,}")
        table.add_row("already there", f"{self.num_there:,}")
        table.add_row("failed", f"{len(self.failures):,}")
        results.print(table)
        for video_id, reason in self.failures.items():
            fail(f"{escape(video_id)}: {escape(reason)}")

    def _event(self, event: str, **values: Any) -> None:  # noqa: ANN401 - any JSON value
        if self.as_json:
            sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
            sys.stdout.flush()
