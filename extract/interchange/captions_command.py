"""``seds-extract captions``: from the caption files of a release to an index of its videos."""

import json
import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from extract.interchange.caption_checks import (
    empty_splits,
    long_captions,
    shared_sentences,
    with_validation,
    without_duplicates,
    without_empty,
)
from extract.interchange.caption_releases import (
    read_csl_daily,
    read_how2sign,
    read_phoenix,
    read_published,
)
from extract.interchange.captions import (
    Caption,
    CaptionFileError,
    Finding,
    ReleaseCaptions,
    read_table,
)
from extract.interchange.formats import Release
from extract.videos.folder_walk import spelled_on_disk, walk
from extract.videos.listing import VIDEO_SUFFIXES
from seds_core.console import results
from seds_core.dataset_index import IndexedVideo, write_index
from seds_core.errors import UsageError, first_names
from seds_core.video_id import video_id_of

EXIT_DONE = 0
EXIT_SOME_LEFT_OUT = 3

# Findings that make the exit code 3.
_LEFT_OUT = ("missing_video", "unreadable_line")
# Findings that are printed in bold red.
_LOUD = (*_LEFT_OUT, "dev_from_train", "empty_split")


def run_captions(
    release: Release,
    source: Path,
    out: Path,
    *,
    videos: Path | None = None,
    boxes: Sequence[Path] = (),
    dev_fraction: float = 0.05,
    max_tokens: int = 32,
    language: str | None = None,
    report: Path | None = None,
    as_json: bool = False,
) -> int:
    """Writes the index ``out``, reports what does not fit, and returns the exit code.

    ``source`` is the file or folder of the captions; of PHOENIX-2014T and CSL-Daily also the whole
    release, whose own videos are taken without ``videos``, the folder to look for them in.
    ``dev_fraction`` of the training sentences validate where a set has no validation split. A
    model reads ``max_tokens`` of a sentence, start and end included. ``report`` is a JSON file
    for the findings. Raises ``UsageError`` for options and files that cannot be used; then no
    index is written.
    """
    _refuse_options(release, boxes, dev_fraction, max_tokens, language)
    read = read_release(release, source, videos, boxes, language)
    captions, empty = without_empty(read.captions)
    captions, duplicates = without_duplicates(captions)
    if not captions:
        raise CaptionFileError(f"{source} has no caption that can be used")
    indexed, missing = locate(captions, videos or read.videos, out.parent)
    # The captions say whether there is a validation split, whichever videos are missing. A table
    # that has other splits than train means its train: no sentence leaves it whole.
    given = {caption.split for caption in captions}
    validation: tuple[Finding, ...] = ()
    if "dev" not in given:
        keeps_sentences = release == "table" and given != {"train"}
        indexed, validation = with_validation(
            indexed, dev_fraction, keeps_sentences=keeps_sentences
        )
    findings = (
        *(*read.findings, *empty, *duplicates, *missing, *validation),
        *empty_splits(indexed),
        *long_captions(indexed, max_tokens),
        *shared_sentences(indexed),
    )
    # The index comes first: a report that cannot be written costs no work.
    write_index(out, indexed)
    found = {
        "release": release,
        "source": str(source),
        "index": str(out),
        "splits": count_splits(indexed),
        "findings": [asdict(finding) for finding in findings],
    }
    if report:
        _write_report(report, found)
    if as_json:
        results.out(json.dumps(found, ensure_ascii=False))
    else:
        _print_report(found)
    is_incomplete = any(finding.kind in _LEFT_OUT for finding in findings)
    return EXIT_SOME_LEFT_OUT if is_incomplete else EXIT_DONE


def _refuse_options(
    release: Release,
    boxes: Sequence[Path],
    dev_fraction: float,
    max_tokens: int,
    language: str | None,
) -> None:
    """Raises ``UsageError`` for options that the release has no use for, or out of range."""
    if boxes and release != "how2sign":
        raise UsageError("--boxes are those of How2Sign's recordings: they go with how2sign")
    if language and release != "table":
        raise UsageError(f"--language goes with a table: that of {release} is known")
    if not 0 <= dev_fraction < 1:
        raise UsageError(f"--dev-share is {dev_fraction:g}; expected a fraction from 0 to 1")
    if max_tokens < 2:
        raise UsageError(f"--max-tokens is {max_tokens}; expected 2 (start, end) or more")


def read_release(
    release: Release,
    source: Path,
    videos: Path | None = None,
    boxes: Sequence[Path] = (),
    language: str | None = None,
) -> ReleaseCaptions:
    """Reads all captions of a release. Raises ``CaptionFileError`` where there are none."""
    match release:
        case "published":
            return read_published(source)
        case "phoenix-2014t":
            return read_phoenix(source)
        case "csl-daily":
            return read_csl_daily(source)
        case "how2sign":
            return read_how2sign(source, boxes)
        case "table":
            return read_table(source, videos, language)


def locate(
    captions: Sequence[Caption], folder: Path | None, index_folder: Path
) -> tuple[tuple[IndexedVideo, ...], tuple[Finding, ...]]:
    """The index's lines of the captions whose videos are below ``folder``, and the missing ones.

    Without a folder no video is looked for: the index gets the release's own names. Raises
    ``CaptionFileError`` when the folder has none of the videos.
    """
    if folder is None and not any(caption.path for caption in captions):
        text = "no videos were looked for (--videos): the column path has their names only"
        own = ((caption, caption.candidates[-1]) for caption in captions)
        lines = (_index_line(c, index_folder / name.name, name.part) for c, name in own)
        return tuple(lines), (Finding("note", text),)
    # One walk through the folder finds all names that any caption may have.
    names = {c.name for caption in captions if not caption.path for c in caption.candidates}
    found = search(folder, names) if folder and names else {}
    videos, missing = [], []
    for caption in captions:
        if video := _located(caption, found):
            videos.append(video)
        else:
            missing.append(caption.video_id)
    searched = f"below {folder}" if folder else "where the table says"
    if not videos:
        names_of_first = " or ".join(candidate.name for candidate in captions[0].candidates)
        raise CaptionFileError(
            f"not one of the videos ({len(captions):,}) is {searched}; the first was looked for as "
            f"{captions[0].path or names_of_first}, a frame folder or a video file"
        )
    text = f"videos that are not {searched}, left out"
    return tuple(videos), (Finding("missing_video", text, tuple(missing)),) if missing else ()


def search(folder: Path, names: Collection[str]) -> dict[str, list[Path]]:
    """Finds frame folders, and video files without their ending, that have one of ``names``.

    Links are followed; hidden and system folders, unreadable ones and empty frame folders are
    skipped. Raises ``CaptionFileError`` for a folder that does not exist.
    """
    if not folder.is_dir():
        raise CaptionFileError(f"the folder of the videos, {folder}, does not exist")
    # Disks spell a name in several ways: ids are compared, and names of the captions returned.
    wanted = {video_id_of(name): name for name in names}
    walked = walk(folder, is_leaf=lambda name: video_id_of(name) in wanted)
    found = defaultdict(list)
    for path in walked.leaves:
        if _has_entries(path):
            found[wanted[video_id_of(path.name)]].append(path)
    for file in (file for folder in walked.folders for file in folder.files):
        name = wanted.get(video_id_of(file.path.stem))
        if name is not None and file.path.suffix.lower() in VIDEO_SUFFIXES:
            found[name].append(file.path)
    return {name: sorted(paths) for name, paths in found.items()}


def _has_entries(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entries)
    except OSError:  # it may not be read
        return False


def _located(caption: Caption, found: Mapping[str, Sequence[Path]]) -> IndexedVideo | None:
    """The index's line of a caption; ``None`` where its video is missing."""
    if caption.path:
        path = spelled_on_disk(caption.path)
        part = caption.candidates[-1].part
        return _index_line(caption, path, part) if path.exists() else None
    for candidate in caption.candidates:
        if paths := found.get(candidate.name):
            # Releases may repeat a name in the folder of every split, which of dev is called val.
            folders = ("dev", "val") if caption.split == "dev" else (caption.split,)
            in_split = (path for path in paths if any(f in path.parts for f in folders))
            return _index_line(caption, next(in_split, paths[0]), candidate.part)
    return None


def _index_line(caption: Caption, path: Path, part: Mapping[str, str]) -> IndexedVideo:
    columns = {name: value for name, value in {**caption.columns, **part}.items() if value}
    return IndexedVideo(caption.video_id, path, caption.split, caption.text, columns)


def count_splits(videos: Sequence[IndexedVideo]) -> dict[str, dict[str, int]]:
    """Each split's number of videos, of different sentences, and of entries.

    An entry is what the publication ranks: several may have one sentence.
    """
    counts = {}
    for split in dict.fromkeys(video.split for video in videos):
        of_split = [video for video in videos if video.split == split]
        counts[split] = {
            "videos": len(of_split),
            "sentences": len({video.text for video in of_split}),
            "entries": len({(v.other.get("sentence_id", ""), v.text) for v in of_split}),
        }
    return counts


def _write_report(path: Path, report: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report, indent=2, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the report {path} cannot be written: {error.strerror}") from None


def _print_report(report: dict[str, Any]) -> None:
    """Prints the numbers of every split, and every finding with its first names."""
    table = Table(title=f"Wrote {escape(report['index'])}", title_justify="left")
    for column in ("split", "videos", "sentences", "entries"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, counts in report["splits"].items():
        table.add_row(escape(split), *(f"{number:,}" for number in counts.values()))
    results.print(table)
    for finding in report["findings"]:
        kind, names = finding["kind"], finding["names"]
        style = "bold red" if kind in _LOUD else "dim" if kind == "note" else "yellow"
        shown = f": {len(names):,} ({first_names(names, separator='; ')})" if names else ""
        results.print(f"[{style}]{escape(finding['text'])}[/]{escape(shown)}", emoji=False)
