"""What an import tells while it works and when it is done."""

from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from extract.imports.read_ahead import ReadVideo
from extract.run.report import RunReport
from seds_core.console import fail, results


@dataclass
class ImportReport(RunReport):
    """Counts an import and shows its progress; JSON events are those of an extraction."""

    num_rounded: int = 0
    """Values that are others in the store than in the files."""
    num_of_several_people: int = 0
    """Videos that show several people at a time."""

    def imported(self, video: ReadVideo) -> None:
        """A video is in the store."""
        self.num_rounded += video.num_rounded
        self.num_of_several_people += video.num_people > 1
        self.finished(video.finished)

    def summary(self, *, store: str) -> dict[str, Any]:
        """The import in numbers."""
        return super().summary(store=store) | {
            "rounded_values": self.num_rounded,
            "several_people": self.num_of_several_people,
        }

    def print_summary(self, summary: dict[str, Any]) -> None:
        """Prints the import in numbers, and every failure with its reason."""
        if self.as_json:
            super().print_summary(summary)
            return
        table = Table(
            title=f"Imported into {escape(summary['store'])}",
            title_justify="left",
            show_header=False,
        )
        seconds = max(summary["seconds"], 1e-9)
        table.add_row(
            "videos imported", f"{summary['finished']:,} ({summary['finished'] / seconds:.0f}/s)"
        )
        table.add_row("already there", f"{summary['already_there']:,}")
        table.add_row("failed", f"{len(summary['failed']):,}")
        table.add_row("frames", f"{summary['frames']:,}")
        table.add_row("rows", f"{summary['rows']:,}")
        if summary["rounded_values"]:
            table.add_row("rounded to float32", f"{summary['rounded_values']:,} values")
        if summary["several_people"]:
            several = f"{summary['several_people']:,} (the signer of each is kept)"
            table.add_row("with several people", several)
        table.add_row("time", f"{seconds:.1f} s")
        results.print(table)
        for failure in summary["failed"]:
            fail(f"{escape(failure['path'])}: {escape(failure['reason'])}")
