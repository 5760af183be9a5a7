"""One ``seds-extract captions`` command: from the files of a release to its index."""

import json
from collections.abc import Sequence
from pathlib import Path

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
from extract.captions.validation_split import with_validation
from extract.captions.video_search import locate
from seds_core.console import results
from seds_core.dataset_index import write_index
from seds_core.errors import UsageError

EXIT_DONE = 0
EXIT_VIDEOS_MISSING = 3


def run_captions(request: CaptionsRequest) -> int:
    """Writes the index and reports what does not fit; gives the exit code.

    Raises ``UsageError`` for options and files that cannot be used; then nothing is written.
    """
    _check(request)
    read = read_release(request)
    captions, findings = _usable(read.captions, request.dev_share)
    if not captions:
        raise CaptionFileError(f"{request.source} has no caption that can be used")
    located = locate(captions, _videos_folder(request, read), request.out.parent)
    findings = (
        *read.findings,
        *findings,
        *located.findings,
        *long_captions(located.videos, request.max_tokens),
        *shared_sentences(located.videos),
    )
    write_index(request.out, located.videos)
    report = report_of(request, located.videos, findings)
    if request.report:
        write_report(request.report, report)
    if request.as_json:
        results.out(json.dumps(report, ensure_ascii=False))
    else:
        print_report(report)
    is_missing = any(finding.kind == "missing_video" for finding in findings)
    return EXIT_VIDEOS_MISSING if is_missing else EXIT_DONE


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


def _usable(
    captions: Sequence[Caption], dev_share: float
) -> tuple[tuple[Caption, ...], tuple[Finding, ...]]:
    """The captions that the index gets, with a validation split."""
    not_empty, empty = without_empty(captions)
    unique, duplicates = without_duplicates(not_empty)
    split, validation = with_validation(unique, dev_share)
    return split, (*empty, *duplicates, *validation)


def _videos_folder(request: CaptionsRequest, read: ReleaseCaptions) -> Path | None:
    return request.videos or read.videos
