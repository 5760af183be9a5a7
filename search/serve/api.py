"""The API: each route reads its parameters, makes one call of the retriever, and answers.

Ids and sentences are parameters and no parts of paths: they may hold slashes, dots and anything
else that browsers and proxies would tidy up.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from search.results import Answer, SentenceHit, Span
from search.serve.answers import (
    AnswerJson,
    ErrorJson,
    ExplanationJson,
    FiltersJson,
    HealthJson,
    InfoJson,
    LimitsJson,
    SentencesJson,
    answer_json,
    explanation_json,
    sentences_json,
)
from search.serve.errors import ApiError
from search.serve.service import Service, service_of

router = APIRouter(prefix="/api", responses={"4XX": {"model": ErrorJson}})

# A day: no recording is longer, and larger numbers would only overflow somewhere.
_MAX_SECONDS = 86400.0

Shared = Annotated[Service, Depends(service_of)]
Seconds = Annotated[float | None, Query(ge=0, le=_MAX_SECONDS, allow_inf_nan=False)]
Exact = Annotated[bool, Query(description="Certainly the best of all, not of candidates.")]


def _sentence(q: Annotated[str, Query(description="The sentence.")], service: Shared) -> str:
    limit = service.settings.sentence_characters
    if len(q) > limit:
        raise ApiError(422, f"the sentence has {len(q):,} characters; the longest may have {limit}")
    return q


def _video_id(
    video_id: Annotated[str, Query(alias="id", description="A video of the index.")],
    service: Shared,
) -> str:
    if len(video_id) > service.settings.id_characters:
        raise ApiError(404, "no video has so long an id")
    return video_id


def _count(service: Shared, k: Annotated[int, Query(ge=1, description="Hits.")] = 10) -> int:
    limit = service.settings.max_hits
    if k > limit:
        raise ApiError(422, f"k: at most {limit} hits are answered")
    return k


def _span(start: Seconds = None, end: Seconds = None) -> Span | None:
    if start is None and end is None:
        return None
    span = Span(start or 0.0, _MAX_SECONDS if end is None else end)
    if span.end <= span.start:
        raise ApiError(422, f"the end ({span.end:g} s) is not after the start ({span.start:g} s)")
    return span


def _filters(
    values: Annotated[
        list[str] | None,
        Query(alias="filter", description="COLUMN=VALUE; may come several times."),
    ] = None,
) -> Mapping[str, Sequence[str]] | None:
    # One column several times means any of its values, several columns mean all of them.
    chosen: dict[str, list[str]] = {}
    for text in values or ():
        column, equals, value = text.partition("=")
        if not equals:
            raise ApiError(422, "a filter is COLUMN=VALUE, such as signer=anna")
        chosen.setdefault(column, []).append(value)
    return chosen or None


Sentence = Annotated[str, Depends(_sentence)]
VideoId = Annotated[str, Depends(_video_id)]
Count = Annotated[int, Depends(_count)]
Part = Annotated[Span | None, Depends(_span)]
Filters = Annotated[Mapping[str, Sequence[str]] | None, Depends(_filters)]

_VIDEO_BODY = {
    "requestBody": {
        "required": True,
        "content": {"video/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/search")
async def search(
    sentence: Sentence, service: Shared, k: Count, filters: Filters, *, exact: Exact = False
) -> AnswerJson:
    """Videos for a sentence, best first."""

    def work() -> AnswerJson:
        found = service.retriever.search(sentence, k, filters=filters, exact=exact)
        return answer_json(found)

    return await service.search(work)


@router.get("/like")
async def like(
    video_id: VideoId, service: Shared, k: Count, span: Part, filters: Filters, *,
    exact: Exact = False,
) -> AnswerJson:  # fmt: skip
    """Videos that are signed like one of the index, or like a moment of a recording."""

    def work() -> AnswerJson:
        found = service.retriever.like(video_id, k, span=span, filters=filters, exact=exact)
        return answer_json(found)

    return await service.search(work)


@router.post("/video", openapi_extra=_VIDEO_BODY)
async def by_video(
    request: Request, service: Shared, k: Count, trim: Part, filters: Filters, *,
    exact: Exact = False,
) -> AnswerJson:  # fmt: skip
    """Videos that are signed like the one that is sent; nothing of it is kept."""

    def work(path: Path) -> AnswerJson:
        found: Answer = service.retriever.by_video(path, k, trim=trim, filters=filters, exact=exact)
        return answer_json(found)

    return await service.with_upload(request, trim, work)


@router.get("/sentences")
async def sentences(
    video_id: VideoId, service: Shared, k: Count, span: Part, *, exact: Exact = False
) -> SentencesJson:
    """The index's sentences for one of its videos, or a moment of it, best first."""

    def work() -> SentencesJson:
        return sentences_json(service.retriever.sentences(video_id, k, trim=span, exact=exact))

    return await service.search(work)


@router.post("/sentences", openapi_extra=_VIDEO_BODY)
async def sentences_of_video(
    request: Request, service: Shared, k: Count, trim: Part, *, exact: Exact = False
) -> SentencesJson:
    """The index's sentences for the video that is sent, best first; nothing of it is kept."""

    def work(path: Path) -> SentencesJson:
        found: list[SentenceHit] = service.retriever.sentences(path, k, trim=trim, exact=exact)
        return sentences_json(found)

    return await service.with_upload(request, trim, work)


@router.get("/explain")
async def explain(
    video_id: VideoId, sentence: Sentence, service: Shared, span: Part
) -> ExplanationJson:
    """Cosines of a sentence's words with a video's clips, or with those of one moment of it."""
    return await service.search(
        lambda: explanation_json(service.retriever.explain(video_id, sentence, span=span))
    )


@router.get("/filters")
async def filters(service: Shared) -> FiltersJson:
    """Columns that can be filtered by, and their values."""
    columns = await service.search(service.retriever.filters)
    return FiltersJson(columns={name: list(values) for name, values in columns.items()})


@router.get("/info")
async def info(service: Shared) -> InfoJson:
    """The index that is searched, and what a request may ask for."""
    known, settings = await service.search(service.retriever.info), service.settings
    return InfoJson(
        num_videos=known.num_videos,
        num_entries=known.num_entries,
        # Parts may share some: this many are searched.
        num_sentences=sum(part.num_sentences for part in known.parts),
        stage=known.identity.stage,
        limits=LimitsJson(
            max_hits=settings.max_hits,
            sentence_characters=settings.sentence_characters,
            upload_bytes=settings.upload_bytes,
            upload_seconds=settings.upload_seconds,
        ),
    )


@router.get("/health")
async def health() -> HealthJson:
    """Answers as long as the server does."""
    return HealthJson()


@router.head("/media", include_in_schema=False)
@router.get("/media", response_class=Response)
async def media(request: Request, video_id: VideoId, service: Shared) -> Response:
    """A video of the index, or the H.264 copy of one that browsers cannot play; in ranges."""
    record = await anyio.to_thread.run_sync(service.retriever.video, video_id)
    return await service.media.respond(request, record)
