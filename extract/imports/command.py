"""One ``seds-extract import`` command: from the request to the exit code."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from rich.table import Table

from extract.imports.file_identity import quick_identity
from extract.imports.formats import make_format
from extract.imports.import_report import ImportReport
from extract.imports.imported import ImportFormat
from extract.imports.plan import plan_import
from extract.imports.read_ahead import ReadVideo, read_ahead
from extract.imports.request import ImportRequest
from extract.run.command import EXIT_ALL_THERE, EXIT_INTERRUPTED, EXIT_SOME_FAILED, stop_requests
from extract.run.existing_store import entries_of
from extract.settings import ExtractSettings
from seds_core.console import messages, progress_bar, results
from seds_core.pipeline_file import read_section
from seds_core.store.staging import FailedVideo
from seds_core.store.writer import BulkWriter


def run_import(request: ImportRequest) -> int:
    """Imports what is missing or has changed and gives the exit code.

    Raises ``UsageError`` for a request that does not fit its files or its store.
    """
    settings = read_section(request.pipeline_file, request.pipeline, "extract", ExtractSettings)
    source = make_format(request, settings)
    if request.dry_run:
        _print_dry_run(request, source)
        return EXIT_ALL_THERE
    try:
        with stop_requests():
            report = _import(request, source)
    except KeyboardInterrupt:
        messages.print("Stopped. What was imported is kept: the same command goes on from here.")
        return EXIT_INTERRUPTED
    report.print_summary(report.summary(store=str(request.store)))
    return EXIT_SOME_FAILED if report.failures else EXIT_ALL_THERE


def _import(request: ImportRequest, source: ImportFormat) -> ImportReport:
    items = source.items()
    with BulkWriter(request.store, source.provenance) as writer:
        plan = plan_import(items, writer.videos)
        todo = {item.video_id for item in plan.todo}
        writer.forget_failures({item.video_id for item in items} - todo)
        with (
            _report(request, len(plan.todo), plan.num_there) as report,
            closing(read_ahead(plan.todo, source)) as videos,
        ):
            for item in plan.todo:
                report.started(item.video_id)
                _keep(next(videos), writer, report)
    return report


def _keep(video: ReadVideo | FailedVideo, writer: BulkWriter, report: ImportReport) -> None:
    if isinstance(video, FailedVideo):
        writer.fail(video)
        report.failed(video)
        return
    writer.add(video.finished)
    report.imported(video)


@contextmanager
def _report(request: ImportRequest, num_todo: int, num_there: int) -> Iterator[ImportReport]:
    with progress_bar() as progress:
        task = progress.add_task("videos", total=num_todo, rates="")
        yield ImportReport(progress, task, num_there, as_json=request.as_json)


def _print_dry_run(request: ImportRequest, source: ImportFormat) -> None:
    """Prints what there is to import; nothing but names is read, and nothing written."""
    plan = plan_import(source.items(), entries_of(request.store))
    paths = {item.path for item in plan.todo}
    summary: dict[str, Any] = {
        "store": str(request.store),
        "missing": len(plan.missing),
        "changed": len(plan.changed),
        "already_there": plan.num_there,
        "bytes": sum(quick_identity(path)[0] for path in paths),
    }
    if request.as_json:
        sys.stdout.write(json.dumps({"event": "dry_run", **summary}) + "\n")
        return
    table = Table(title="Dry run: nothing is written", title_justify="left", show_header=False)
    table.add_row("store", summary["store"])
    table.add_row("to import", f"{len(plan.todo):,} videos")
    table.add_row("  of these changed", f"{len(plan.changed):,}")
    table.add_row("already there", f"{plan.num_there:,}")
    table.add_row("size of their files", f"{summary['bytes'] / 1e6:,.1f} MB")
    results.print(table)
