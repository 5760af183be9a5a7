"""Answers on the terminal, and as JSON for programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from search.results import Alignment, Answer, Hit, SentenceHit, Span, WordMatch
from seds_core.console import messages, print_json, results, warn

BEST_WORDS = 3
"""Of each hit that are shown."""

VIDEOS_SHOWN = 3
"""Of each sentence that the table shows."""


def print_answer(answer: Answer, query: str, *, as_json: bool) -> None:
    """Prints hits, and beside them what the user should know."""
    _warn(answer.warnings)
    if as_json:
        print_json(
            {
                "query": query,
                "hits": [hit_values(hit) for hit in answer.hits],
                "warnings": list(answer.warnings),
                "seconds": answer.seconds,
                "num_searched": answer.num_searched,
                "exact": answer.exact,
                "none_probability": answer.none_probability,
            }
        )
        return
    results.print(f"[bold]{escape(query)}[/]")
    for hit in answer.hits:
        where = f", {_span(hit.span)}" if hit.span else ""
        gone = "  [red]the file is gone[/]" if hit.is_gone else ""
        lines = [
            f"{escape(hit.video_id)}{where}",
            f"[dim]{escape(_short(hit.path))}[/]{gone}",
            *[_best_words(hit.matches)] * bool(hit.matches),
        ]
        word = f"  [dim]{hit.likelihood}[/]" if hit.likelihood else ""
        text = escape(hit.text) or "(no sentence)"
        results.print(f"{hit.rank:>3}  {hit.score:.4f}  {text}{word}")
        results.print("\n".join(f"{'':13}{line}" for line in lines))
    certainty = "certainly the best" if answer.exact else "the best of the candidates"
    results.print(
        f"{len(answer.hits):,} hits, {certainty} of {answer.num_searched:,}, in "
        f"{1000 * answer.seconds:.0f} ms"
    )


def print_sentences(hits: Sequence[SentenceHit], video: str, *, as_json: bool) -> None:
    """Prints sentences that a video may mean."""
    if as_json:
        named = [
            {
                "rank": hit.rank,
                "text": hit.text,
                "score": hit.score,
                "normalised": hit.normalised,
                "probability": hit.probability,
                "video_ids": hit.video_ids,
            }
            for hit in hits
        ]
        print_json({"video": video, "sentences": named})
        return
    has_words = any(hit.likelihood for hit in hits)
    columns = ("rank", "score", *["match"] * has_words, "sentence", "videos")
    table = Table(*columns, title=escape(video), title_justify="left")
    for hit in hits:
        shown = ", ".join(hit.video_ids[:VIDEOS_SHOWN])
        more = ", ..." if len(hit.video_ids) > VIDEOS_SHOWN else ""
        words = [hit.likelihood] * has_words
        texts = escape(hit.text), escape(f"{shown}{more}")
        table.add_row(f"{hit.rank}", f"{hit.score:.4f}", *words, *texts)
    results.print(table)


def print_alignments(
    alignments: Sequence[Alignment], video: str, sentence: str, *, as_json: bool
) -> None:
    """Prints for each word of a sentence the clip that is most like it, stream by stream."""
    if as_json:
        print_json(
            {
                "video": video,
                "sentence": sentence,
                "streams": [alignment_values(alignment) for alignment in alignments],
            }
        )
        return
    results.print(f"{escape(video)}: {escape(sentence)}")
    for alignment in alignments:
        title = (
            f"{alignment.stream}, score {alignment.score:.4f}: words found in the video "
            f"{alignment.text_to_video:.4f}, clips found in the sentence "
            f"{alignment.video_to_text:.4f}"
        )
        table = Table(
            "word", "best clip", "cosine", "word's part", title=title, title_justify="left"
        )
        best = alignment.similarities.argmax(axis=0)
        for number, word in enumerate(alignment.words):
            table.add_row(
                escape(word),
                _span(alignment.clips[best[number]]),
                f"{alignment.similarities[best[number], number]:.3f}",
                f"{alignment.of_words[number]:.3f}",
            )
        results.print(table)


def print_page(path: Path) -> None:
    """Says where a page was written."""
    messages.print(f"written: {path}", markup=False)


def hit_values(hit: Hit) -> dict[str, Any]:
    """A hit as plain values."""
    start, end = hit.span or (None, None)
    return {
        "rank": hit.rank,
        "video_id": hit.video_id,
        "path": str(hit.path),
        "file_is_gone": hit.is_gone,
        "text": hit.text,
        "start": start,
        "end": end,
        "duration": hit.duration,
        "score": hit.score,
        "normalised": hit.normalised,
        "probability": hit.probability,
        "matches": [
            {
                "word": match.word,
                "start": match.span.start,
                "end": match.span.end,
                "similarity": match.similarity,
            }
            for match in hit.matches
        ],
        "columns": hit.columns,
        "part": hit.part,
    }


def alignment_values(alignment: Alignment) -> dict[str, Any]:
    """An alignment as plain values."""

    def numbers(values: np.ndarray) -> Any:  # noqa: ANN401 - lists as deep as the array
        return np.asarray(values, np.float64).round(6).tolist()

    return {
        "stream": alignment.stream,
        "score": alignment.score,
        "video_to_text": alignment.video_to_text,
        "text_to_video": alignment.text_to_video,
        "words": list(alignment.words),
        "clips": [list(clip) for clip in alignment.clips],
        "similarities": numbers(alignment.similarities),
        "class_token": numbers(alignment.class_token),
        "of_class_token": alignment.of_class_token,
        "of_clips": numbers(alignment.of_clips),
        "of_words": numbers(alignment.of_words),
    }


def _best_words(matches: Sequence[WordMatch]) -> str:
    best = sorted(matches, key=lambda match: -match.similarity)[:BEST_WORDS]
    return ", ".join(
        f"{escape(match.word)} {match.similarity:.2f} at {_span(match.span)}" for match in best
    )


def _short(path: Path) -> str:
    """Returns the path as the user would type it, where it lies below the working folder."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _span(span: Span) -> str:
    return f"{span.start:.2f}-{span.end:.2f} s"


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        warn(escape(warning))
