"""What ``seds-search query``, ``sentences`` and ``explain`` ask of the library."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from search.index.records import EntryRecord
from search.query.retriever import Retriever
from search.results import Alignment, Answer, SentenceHit, Span
from seds_core.errors import UsageError
from train.evaluation import Normalisation

FAR = 1e6
"""Seconds beyond the end of any video."""


def ask(
    asked: Sequence[str],
    *,
    video: Path | None = None,
    like: str | None = None,
    start: float | None = None,
    end: float | None = None,
    k: int = 10,
    filters: Sequence[str] = (),
    exact: bool = False,
    normalise: Normalisation | None = None,
    device: str = "auto",
    run: Path | None = None,
) -> tuple[Answer, str]:
    """Returns the hits, and the question in words.

    ``asked`` are indexes and, last, the sentence, unless ``video`` (a file) or ``like`` (an id)
    asks; ``start`` and ``end`` are seconds of these. Raises ``UsageError`` for options that do not
    fit each other, and like :class:`~search.query.retriever.Retriever`.
    """
    if video is not None and like is not None:
        raise UsageError("--video and --like both ask: leave one of them out")
    if normalise is not None and (video is not None or like is not None):
        raise UsageError(
            "--normalise is for a sentence that asks: how videos score with other videos is not "
            "known. Leave it out"
        )
    indexes, sentence = list(asked), ""
    if video is None and like is None:
        *indexes, sentence = asked
        if not indexes:
            raise UsageError(
                f"'{sentence}' alone does not say what to look for and where: name an index and a "
                "sentence, or an index and --video FILE or --like ID"
            )
        if start is not None or end is not None:
            raise UsageError("--start and --end are seconds of the video of --video or --like")
    wanted, span = parsed_filters(filters), asked_span(start, end)
    with closing(Retriever.load(*indexes, device=device, run=run)) as retriever:
        if video is not None:
            answer = retriever.by_video(video, k, trim=span, filters=wanted, exact=exact)
            return answer, f"like {video}"
        if like is not None:
            answer = retriever.like(like, k, span=span, filters=wanted, exact=exact)
            return answer, f"like {like}"
        answer = retriever.search(sentence, k, filters=wanted, exact=exact, normalise=normalise)
        return answer, sentence


def ask_sentences(
    index: Path,
    *,
    video: Path | None = None,
    like: str | None = None,
    start: float | None = None,
    end: float | None = None,
    k: int = 10,
    exact: bool = False,
    normalise: Normalisation | None = None,
    device: str = "auto",
    run: Path | None = None,
) -> tuple[list[SentenceHit], str]:
    """Returns the best sentences for a video, and the video's name; raises like :func:`ask`."""
    asking = video if video is not None else like
    if asking is None or (video is not None and like is not None):
        raise UsageError("name the video that asks: a file with --video, or an id with --like")
    span = asked_span(start, end)
    with closing(Retriever.load(index, device=device, run=run)) as retriever:
        hits = retriever.sentences(asking, k, trim=span, exact=exact, normalise=normalise)
        return hits, str(asking)


def ask_why(
    index: Path,
    video_id: str,
    sentence: str,
    *,
    start: float | None = None,
    end: float | None = None,
    device: str = "auto",
    run: Path | None = None,
) -> tuple[tuple[Alignment, ...], EntryRecord]:
    """Returns how a sentence is aligned with a video, and the video; raises like :func:`ask`."""
    span = asked_span(start, end)
    with closing(Retriever.load(index, device=device, run=run)) as retriever:
        record = retriever.video(video_id)
        return retriever.explain(video_id, sentence, span=span), record


def parsed_filters(filters: Sequence[str]) -> dict[str, list[str]]:
    """Reads ``COLUMN=VALUE``; columns in lower case, as an index has them.

    >>> parsed_filters(["Signer=anna", "signer=ben", "split=test"])
    {'signer': ['anna', 'ben'], 'split': ['test']}
    """
    found: dict[str, list[str]] = {}
    for text in filters:
        column, equals, value = text.partition("=")
        if not column or not equals:
            raise UsageError(f"--filter is '{text}'; expected COLUMN=VALUE, such as signer=anna")
        found.setdefault(column.strip().lower(), []).append(value)
    return found


def asked_span(start: float | None, end: float | None) -> Span | None:
    """Returns the part of a video that is meant; ``None`` for all of it."""
    if start is None and end is None:
        return None
    # A part without an end reaches as far as any video.
    span = Span(start or 0.0, FAR if end is None else end)
    if span.end <= span.start:
        raise UsageError(f"--end {span.end:g} does not come after --start {span.start:g}")
    return span
