"""What the API answers: the typed results as JSON, without the paths of the server's disk."""

from collections.abc import Iterable
from urllib.parse import urlencode

import numpy as np
from pydantic import BaseModel, Field

from search.results import Alignment, Answer, Hit, Likelihood, SentenceHit, Span
from search.serve.media import is_there


class SpanJson(BaseModel):
    """A part of a video, in seconds from its beginning."""

    start: float
    end: float


class WordJson(BaseModel):
    """A word of the query, and where in the video it is matched best."""

    word: str
    span: SpanJson
    similarity: float = Field(description="Cosine of the word and the clip, -1 to 1.")


class HitJson(BaseModel):
    """A found video, or the moment of a long recording."""

    rank: int = Field(description="From 1.")
    video_id: str
    text: str = Field(description="The video's own sentence; empty where it has none.")
    span: SpanJson | None = Field(description="The matched moment; null for a whole video.")
    duration: float | None = Field(description="Seconds of the whole video, where known.")
    score: float
    probability: float | None = Field(
        default=None, description="That it is right, for a sentence; null where not known."
    )
    likelihood: Likelihood | None = Field(
        default=None, description="The probability as a plain word."
    )
    words: list[WordJson] = Field(description="Empty for queries that are videos.")
    columns: dict[str, str]
    media: str = Field(description="Where the video is played from.")
    is_there: bool = Field(description="Whether the video still exists.")


class AnswerJson(BaseModel):
    """Hits, best first."""

    hits: list[HitJson]
    warnings: list[str] = Field(description="Such as words that the text encoder does not know.")
    seconds: float
    num_searched: int = Field(description="Videos and windows that passed the filters.")
    exact: bool = Field(description="Whether these are certainly the best of all.")
    none_probability: float | None = Field(
        default=None, description="That no video searched is right; null where not known."
    )


class SentenceJson(BaseModel):
    """A sentence of the index that a video may mean."""

    rank: int
    text: str
    score: float
    probability: float | None = Field(
        default=None, description="That it is right; null where not known."
    )
    video_ids: list[str]


class SentencesJson(BaseModel):
    """Sentences, best first."""

    sentences: list[SentenceJson]


class AlignmentJson(BaseModel):
    """The cosines of a query's words with a video's clips, for one stream."""

    stream: str
    words: list[str]
    clips: list[SpanJson]
    similarities: list[list[float]] = Field(description="A row for each clip, a column a word.")
    score: float


class ExplanationJson(BaseModel):
    """Why a video matches: the stream that ranks comes first."""

    streams: list[AlignmentJson]


class LimitsJson(BaseModel):
    """What a page should tell its users beforehand."""

    max_hits: int
    sentence_characters: int
    upload_bytes: int
    upload_seconds: float


class InfoJson(BaseModel):
    """The index that is searched."""

    num_videos: int
    num_entries: int = Field(description="Videos and windows of long recordings.")
    num_sentences: int
    stage: str
    limits: LimitsJson


class FiltersJson(BaseModel):
    """Columns that can be filtered by, and their values."""

    columns: dict[str, list[str]]


class HealthJson(BaseModel):
    """That the server answers."""

    status: str = "ok"


class ErrorJson(BaseModel):
    """Why there is no answer."""

    detail: str


def media_address(video_id: str) -> str:
    """Where the page plays a video from; an id may hold anything, so it is no part of a path."""
    return f"/api/media?{urlencode({'id': video_id})}"


def answer_json(answer: Answer) -> AnswerJson:
    """Converts an answer; looks whether its videos are still there."""
    return AnswerJson(
        hits=[_hit(hit) for hit in answer.hits],
        warnings=list(answer.warnings),
        seconds=answer.seconds,
        num_searched=answer.num_searched,
        exact=answer.exact,
        none_probability=answer.none_probability,
    )


def _hit(hit: Hit) -> HitJson:
    return HitJson(
        rank=hit.rank,
        video_id=hit.video_id,
        text=hit.text,
        span=None if hit.span is None else _span(hit.span),
        duration=hit.duration,
        score=hit.score,
        probability=hit.probability,
        likelihood=hit.likelihood,
        words=[
            WordJson(word=match.word, span=_span(match.span), similarity=match.similarity)
            for match in hit.matches
        ],
        columns=hit.columns,
        media=media_address(hit.video_id),
        is_there=is_there(hit.path),
    )


def _span(span: Span) -> SpanJson:
    # Milliseconds: float32 times would otherwise be told with 17 digits.
    return SpanJson(start=round(span.start, 3), end=round(span.end, 3))


def sentences_json(hits: Iterable[SentenceHit]) -> SentencesJson:
    """Converts sentences."""
    return SentencesJson(
        sentences=[
            SentenceJson(
                rank=h.rank,
                text=h.text,
                score=h.score,
                probability=h.probability,
                video_ids=list(h.video_ids),
            )
            for h in hits
        ]
    )


def explanation_json(alignments: Iterable[Alignment]) -> ExplanationJson:
    """Converts alignments; cosines are told to the fourth digit."""
    return ExplanationJson(
        streams=[
            AlignmentJson(
                stream=alignment.stream,
                words=list(alignment.words),
                clips=[_span(clip) for clip in alignment.clips],
                similarities=np.round(alignment.similarities.astype(float), 4).tolist(),
                score=alignment.score,
            )
            for alignment in alignments
        ]
    )
