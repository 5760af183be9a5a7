"""What the commands that make and tend an index print: a table, or one JSON object."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.markup import escape

from search.index.build import BuildResult
from search.index.compaction import CompactResult
from search.index.deletion import DeleteResult
from search.index.info import IndexInfo, PartInfo
from search.index.verify import VerifyResult
from seds_core.console import print_json, print_table, warn

SHOWN = 5
"""Failed videos whose reasons are shown."""


def report_build(result: BuildResult, *, dry_run: bool, as_json: bool) -> None:
    """Prints what a build has done, or would do."""
    if as_json:
        print_json(_plain(asdict(result)) | {"dry_run": dry_run})
        return
    rows = {
        "new videos": f"{result.num_new:,}",
        "changed videos": f"{result.num_changed:,}",
        "described anew": f"{result.num_described_anew:,}",
        "unchanged": f"{result.num_unchanged:,}",
        "without rows in the stores": f"{result.num_without_rows:,}",
    }
    if not dry_run:
        rows |= {
            "added to the index": f"{result.num_entries:,}",
            "windows without signing": f"{result.num_unsigned:,}",
            "failed": f"{len(result.failed):,}",
            "seconds": f"{result.seconds:.1f}",
        }
    title = f"Would build {result.index}" if dry_run else f"Index {result.index}"
    print_table(escape(title), {name: text for name, text in rows.items() if text != "0"})
    for failure in result.failed[:SHOWN]:
        warn(escape(f"{failure.video_id}: {failure.reason}"))
    if len(result.failed) > SHOWN:
        warn(f"{len(result.failed) - SHOWN:,} more videos failed; --json lists them")


def report_delete(path: Path, result: DeleteResult, *, as_json: bool) -> None:
    """Prints what has been deleted."""
    if as_json:
        print_json(asdict(result))
        return
    rows = {"videos": f"{result.num_videos:,}", "videos and windows": f"{result.num_entries:,}"}
    print_table(escape(f"Deleted from {path}"), rows)


def report_compact(results: Sequence[tuple[Path, CompactResult]], *, as_json: bool) -> None:
    """Prints what each part holds now."""
    if as_json:
        print_json({"parts": [{"path": str(path), **asdict(one)} for path, one in results]})
        return
    for path, result in results:
        rows = {
            "kept": f"{result.num_entries:,}",
            "removed": f"{result.num_removed:,}",
            "sentences": f"{result.num_sentences:,}",
            "on disk": f"{_size(result.bytes_before)} before, {_size(result.bytes_after)} now",
        }
        print_table(escape(f"Compact {path}"), rows)


def report_info(info: IndexInfo, *, as_json: bool) -> None:
    """Prints what an index holds."""
    identity = info.identity
    if as_json:
        print_json(
            {
                "layout_version": info.layout_version,
                "run": str(identity.run),
                "checkpoint_sha256": identity.checkpoint_sha256,
                "which": identity.which,
                "stage": identity.stage,
                "windows": identity.windows and asdict(identity.windows),
                "search": identity.search.model_dump(mode="json"),
                "columns": info.columns,
                "bytes_per_entry": info.bytes_per_entry,
                "parts": [_plain(asdict(part)) for part in info.parts],
            }
        )
        return
    columns = ", ".join(f"{name} ({count:,})" for name, count in info.columns.items())
    rows = {
        "model": f"{identity.run} ({identity.which}, {identity.checkpoint_sha256[:12]})",
        "stage": identity.stage,
        "windows": str(identity.windows or "none: whole videos"),
        "columns (values)": columns or "none",
        "layout version": str(info.layout_version),
        "at hand for a query": f"{_size(info.bytes_per_entry)} an entry",
    }
    if len(info.parts) == 1:
        rows |= _part_rows(info.parts[0])
    print_table(
        escape(f"Index {info.parts[0].path}" if len(info.parts) == 1 else "Index"),
        {name: escape(text) for name, text in rows.items()},
    )
    for part in info.parts if len(info.parts) > 1 else ():
        print_table(escape(f"Part {part.path}"), _part_rows(part))


def _part_rows(part: PartInfo) -> dict[str, str]:
    rows = {
        "videos": f"{part.num_videos:,}",
        "windows": f"{part.num_windows:,}",
        "deleted, not yet removed": f"{part.num_dead:,}",
        "sentences": f"{part.num_sentences:,}",
        "failed videos": f"{part.num_failed:,}",
        "version": f"{part.version:,} (generation {part.generation})",
        "on disk": _size(part.bytes_on_disk),
    }
    return {name: text for name, text in rows.items() if text != "0"}


def report_verify(results: Sequence[VerifyResult], *, as_json: bool) -> None:
    """Prints what is not what was written, or that all is."""
    if as_json:
        print_json(
            {
                "is_whole": all(result.is_whole for result in results),
                "parts": [_plain(asdict(result)) for result in results],
            }
        )
        return
    for result in results:
        rows = {
            "videos and windows": f"{result.num_entries:,}",
            "sentences": f"{result.num_sentences:,}",
            "damaged videos": f"{len(result.damaged):,}",
            "other damage": f"{len(result.problems):,}",
        }
        print_table(escape(f"Verified {result.index}"), rows)
        for video, problem in result.damaged.items():
            warn(escape(f"{video}: {problem}"))
        for problem in result.problems:
            warn(escape(problem))
        if not result.is_whole:
            warn(
                "copy the index again from a whole copy; or delete the damaged videos and run "
                "seds-search build again, which encodes them anew. Damaged tables or sentences "
                "need a new index"
            )


def _plain(values: Any) -> Any:  # noqa: ANN401 - any value of a dataclass
    """As JSON can hold it."""
    if isinstance(values, dict):
        return {name: _plain(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_plain(value) for value in values]
    return str(values) if isinstance(values, Path) else values


def _size(num_bytes: float | int) -> str:
    """In words: ``1.5 MB``."""
    size, units = float(num_bytes), ["B", "KB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        units.pop(0)
    return f"{size:.3g} {units[0]}"
