"""What a captions command tells: how many of what, and what does not fit."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from extract.captions.caption import Finding
from extract.captions.request import CaptionsRequest
from seds_core.console import results
from seds_core.dataset_index import IndexedVideo
from seds_core.errors import UsageError

_NAMES_SHOWN = 3
_LOUD = ("missing_video", "unreadable_line", "dev_from_train", "empty_split")
"""Findings that nobody should overlook."""


@dataclass(frozen=True)
class SplitCounts:
    """A split in numbers."""

    videos: int
    sentences: int
    """Different ones, letter by letter."""
    entries: int
    """Caption entries, as the publication ranks them; several may have one sentence."""


def count_splits(videos: Sequence[IndexedVideo]) -> dict[str, SplitCounts]:
    """The numbers of every split, in the order in which the videos bring them."""
    return {
        split: _count([video for video in videos if video.split == split])
        for split in dict.fromkeys(video.split for video in videos)
    }


def _count(videos: Sequence[IndexedVideo]) -> SplitCounts:
    entries = {(video.other.get("sentence_id", ""), video.text) for video in videos}
    return SplitCounts(len(videos), len({video.text for video in videos}), len(entries))


def report_of(
    request: CaptionsRequest, videos: Sequence[IndexedVideo], findings: Sequence[Finding]
) -> dict[str, Any]:
    """All that was found, as JSON has it."""
    return {
        "release": request.release,
        "source": str(request.source),
        "index": str(request.out),
        "splits": {split: asdict(counts) for split, counts in count_splits(videos).items()},
        "findings": [asdict(finding) for finding in findings],
    }


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Writes the JSON file; raises ``UsageError`` where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report, indent=2, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the report {path} cannot be written: {error.strerror}") from None


def print_report(report: dict[str, Any]) -> None:
    """Prints the numbers, and every finding with its first names."""
    table = Table(title=f"Wrote {escape(report['index'])}", title_justify="left")
    for column in ("split", "videos", "sentences", "entries"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, counts in report["splits"].items():
        table.add_row(escape(split), *(f"{number:,}" for number in counts.values()))
    results.print(table)
    for finding in report["findings"]:
        kind = finding["kind"]
        style = "bold red" if kind in _LOUD else "dim" if kind == "note" else "yellow"
        text, names = escape(finding["text"]), finding["names"]
        results.print(f"[{style}]{text}[/]{escape(_counted(names))}", emoji=False)


def _counted(names: Sequence[str]) -> str:
    """How many names, and the first ones; nothing without any."""
    shown = "; ".join(names[:_NAMES_SHOWN]) + ("; ..." if len(names) > _NAMES_SHOWN else "")
    return f": {len(names):,} ({shown})" if names else ""
