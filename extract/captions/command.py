"""One ``seds-extract captions`` command: from the files of a release to its index."""

import json
from collections.abc import Collection, Sequence

from extract.captions.caption import Caption, Finding, ReleaseCaptions
from extract.captions.csl_daily import read_csl_daily
from extract.captions.how2sign import read_how2sign
from extract.captions.phoenix import read_phoenix
from extract.captions.published import read_published
from extract.captions.release_files import CaptionFileError
from extract.captions.report import print_report, report_of, write_report
from extract.captions.request import CaptionsRequest
from extract.captions.sentence_checks import long_captions, shared_sentences
from extract.captions.sifting import without_duplicates, without_empty
from extract.captions.table import read_table
from extract.captions.validation_split import empty_splits, with_validation
from extract.captions.video_search import locate
from seds_core.console import results
from seds_core.dataset_index import IndexedVideo, write_index
from seds_core.errors import UsageError

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
