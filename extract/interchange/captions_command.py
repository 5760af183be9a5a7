"""One ``seds-extract captions`` command: from the files of a release to its index."""

import json
import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.markup import escape
from rich.table import Table

from extract.interchange.caption_tables import read_how2sign, read_table
from extract.interchange.captions import (
    Caption,
    CaptionFileError,
    Finding,
    ReleaseCaptions,
    empty_splits,
    long_captions,
    shared_sentences,
    with_validation,
    without_duplicates,
    without_empty,
)
from extract.interchange.released_captions import read_csl_daily, read_phoenix, read_published
from extract.videos.folder_walk import spelled_on_disk, walk
from extract.videos.listing import VIDEO_SUFFIXES
from seds_core.console import results
from seds_core.dataset_index import IndexedVideo, write_index
from seds_core.errors import UsageError
from seds_core.video_id import video_id_of

Release = Literal["published", "phoenix-2014t", "csl-daily", "how2sign", "table"]
"""Whose caption files they are: the publication's, a data set's own, or somebody's table."""


@dataclass(frozen=True)
class CaptionsRequest:
    """The options of one command; nothing has been looked up yet."""

    release: Release
    source: Path
    """File or folder of the captions; for ``phoenix-2014t`` and ``csl-daily`` also the whole
    release, with its videos."""
    out: Path
    """Index to write."""
    videos: Path | None = None
    """Folder below which the videos lie; ``None`` takes the release's own ones, if it has any."""
    boxes: tuple[Path, ...] = ()
    """Person boxes of How2Sign's sentences."""
    dev_share: float = 0.05
    """Share of the training sentences that validates where a set has no validation split."""
    max_tokens: int = 32
    """Tokens of a sentence that a model reads, start and end included."""
    language: str | None = None
    """Language code of the sentences of a ``table``."""
    report: Path | None = None
    """JSON file for what does not fit."""
    as_json: bool = False


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


_SPLIT_FOLDERS = {"dev": ("dev", "val")}
"""What releases call the folder of a split, where that is not its own name."""


@dataclass(frozen=True)
class Located:
    """The lines of an index, and what is missing."""

    videos: tuple[IndexedVideo, ...]
    findings: tuple[Finding, ...] = ()


def locate(captions: Sequence[Caption], folder: Path | None, index_folder: Path) -> Located:
    """The videos of captions; those that are not below ``folder`` are left out and named.

    Without a folder nothing is looked for: the index gets the release's own names. Raises
    ``CaptionFileError`` when the folder has none of the videos.
    """
    has_paths = any(caption.path for caption in captions)
    if folder is None and not has_paths:
        text = "no videos were looked for (--videos): the column path has their names only"
        named = (_indexed(c, index_folder / c.places[-1].name, c.places[-1].part) for c in captions)
        return Located(tuple(named), (Finding("note", text),))
    wanted = {place.name for caption in captions if not caption.path for place in caption.places}
    found = search(folder, wanted) if folder and wanted else {}
    videos, missing = [], []
    for caption in captions:
        video = _video(caption, found)
        if video:
            videos.append(video)
        else:
            missing.append(caption.video_id)
    where = f"below {folder}" if folder else "where the table says"
    if not videos:
        looked_for = captions[0].path or " or ".join(place.name for place in captions[0].places)
        raise CaptionFileError(
            f"not one of the videos ({len(captions):,}) is {where}; the first was looked for as "
            f"{looked_for}, a frame folder or a video file"
        )
    text = f"videos that are not {where}, left out"
    findings = (Finding("missing_video", text, tuple(missing)),) if missing else ()
    return Located(tuple(videos), findings)


def search(folder: Path, names: Collection[str]) -> dict[str, list[Path]]:
    """Frame folders, and video files without their ending, that have one of ``names``.

    Links are followed; hidden and system folders, and those that may not be read, are passed over.
    An empty folder is no video. Raises ``CaptionFileError`` for a folder that
    is none.
    """
    if not folder.is_dir():
        raise CaptionFileError(f"the folder of the videos, {folder}, does not exist")
    wanted = {video_id_of(name): name for name in names}
    walked = walk(folder, is_leaf=lambda name: video_id_of(name) in wanted)
    found = defaultdict(list)
    for path in walked.leaves:
        if _is_filled(path):
            found[wanted[video_id_of(path.name)]].append(path)
    for file in (file for folder in walked.folders for file in folder.files):
        name = wanted.get(video_id_of(file.path.stem))
        if name is not None and file.path.suffix.lower() in VIDEO_SUFFIXES:
            found[name].append(file.path)
    return {name: sorted(paths) for name, paths in found.items()}


def _is_filled(folder: Path) -> bool:
    """Whether there is something in a folder; not where that may not be read."""
    try:
        with os.scandir(folder) as entries:
            return any(entries)
    except OSError:
        return False


def _video(caption: Caption, found: Mapping[str, Sequence[Path]]) -> IndexedVideo | None:
    """A caption's line of the index; ``None`` where its video is missing."""
    if caption.path:
        path = spelled_on_disk(caption.path)
        return _indexed(caption, path, caption.places[-1].part) if path.exists() else None
    for place in caption.places:
        if place.name in found:
            return _indexed(caption, _of_split(found[place.name], caption.split), place.part)
    return None


def _of_split(paths: Sequence[Path], split: str) -> Path:
    """The path below a folder of that split; the first one where no path or many are."""
    folders = _SPLIT_FOLDERS.get(split, (split,))
    return next((path for path in paths if any(f in path.parts for f in folders)), paths[0])


def _indexed(caption: Caption, path: Path, part: Mapping[str, str]) -> IndexedVideo:
    columns = {name: value for name, value in {**caption.columns, **part}.items() if value}
    return IndexedVideo(caption.video_id, path, caption.split, caption.text, columns)


EXIT_DONE = 0
EXIT_SOME_LEFT_OUT = 3

_LEFT_OUT = ("missing_video", "unreadable_line")
"""Findings that make the exit code 3."""


def run_captions(request: CaptionsRequest) -> int:
    """Writes the index and reports what does not fit; gives the exit code.

    Raises ``UsageError`` for options and files that cannot be used; then nothing is written.
    """
    _check(request)
    read = read_release(request)
    captions, sifted = _usable(read.captions)
    if not captions:
        raise CaptionFileError(f"{request.source} has no caption that can be used")
    located = locate(captions, request.videos or read.videos, request.out.parent)
    videos, validation = _validated(request, {c.split for c in captions}, located.videos)
    findings = (
        *read.findings,
        *sifted,
        *located.findings,
        *validation,
        *empty_splits(videos),
        *long_captions(videos, request.max_tokens),
        *shared_sentences(videos),
    )
    write_index(request.out, videos)
    report = report_of(request, videos, findings)
    if request.report:
        write_report(request.report, report)
    if request.as_json:
        results.out(json.dumps(report, ensure_ascii=False))
    else:
        print_report(report)
    is_incomplete = any(finding.kind in _LEFT_OUT for finding in findings)
    return EXIT_SOME_LEFT_OUT if is_incomplete else EXIT_DONE


def read_release(request: CaptionsRequest) -> ReleaseCaptions:
    """All captions of the request's files. Raises ``CaptionFileError`` where there are none."""
    source = request.source
    match request.release:
        case "published":
            return read_published(source)
        case "phoenix-2014t":
            return read_phoenix(source)
        case "csl-daily":
            return read_csl_daily(source)
        case "how2sign":
            return read_how2sign(source, request.boxes)
        case "table":
            return read_table(source, request.videos, request.language)


def _check(request: CaptionsRequest) -> None:
    """Raises ``UsageError`` for options that the release has no use for, or out of range."""
    if request.boxes and request.release != "how2sign":
        raise UsageError("--boxes are those of How2Sign's recordings: they go with how2sign")
    if request.language and request.release != "table":
        raise UsageError(f"--language goes with a table: that of {request.release} is known")
    if not 0 <= request.dev_share < 1:
        raise UsageError(f"--dev-share is {request.dev_share:g}; expected a share from 0 to 1")
    if request.max_tokens < 2:
        raise UsageError(f"--max-tokens is {request.max_tokens}; expected 2 (start, end) or more")


def _usable(captions: Sequence[Caption]) -> tuple[tuple[Caption, ...], tuple[Finding, ...]]:
    """The captions that the index may get: those with a sentence, each video once."""
    not_empty, empty = without_empty(captions)
    unique, duplicates = without_duplicates(not_empty)
    return unique, (*empty, *duplicates)


def _validated(
    request: CaptionsRequest, given: Collection[str], videos: tuple[IndexedVideo, ...]
) -> tuple[tuple[IndexedVideo, ...], tuple[Finding, ...]]:
    """The videos with a validation split, where none of the ``given`` splits is one.

    Somebody who has split a table means ``train`` as it is: no sentence is taken from it whole.
    """
    if "dev" in given:
        return videos, ()
    keeps_sentences = request.release == "table" and set(given) != {"train"}
    return with_validation(videos, request.dev_share, keeps_sentences=keeps_sentences)
