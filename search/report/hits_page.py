"""A page of hits: what a search found, with pictures of the moments and the words in them."""

from collections.abc import Sequence
from pathlib import Path

from extract.videos.part import VideoError
from search.report.charts import lanes
from search.report.markup import Content, Markup, element, joined, written
from search.report.page import facts, figure, problem, section, table, write_page
from search.report.stills import gone, moment_pictures, still_list
from search.results import Answer, Hit, Span, WordMatch
from seds_core.console import track

PREVIEWS = 10
"""First hits with a short film."""
PICTURED = 40
"""First hits with pictures; the others are told in words, so that a page stays a few megabytes."""
STILLS = 4


def write_hits_page(answer: Answer, query: str, path: Path) -> None:
    """Writes the hits of a query as one file that needs no other.

    ``query`` is the sentence, or a sentence that says which video was asked with. A video that
    cannot be read has its reason in place of pictures. Raises ``OSError`` where the file cannot be
    written.
    """
    num_hits = len(answer.hits)
    certainty = "certainly the best" if answer.exact else "the best of the candidates"
    lead = joined(
        f"{num_hits:,} {'hit' if num_hits == 1 else 'hits'}, {certainty} of "
        f"{answer.num_searched:,} videos and moments, in {1000 * answer.seconds:.0f} ms."
    )
    warnings = [problem(written(text)) for text in answer.warnings]
    overview = section("overview", "Overview", _overview(answer)) if num_hits else None
    cards = [_card(hit) for hit in track(answer.hits, "pictures")] or [
        element("p", "Nothing passed the filters. Leave one out, or ask for something else.")
    ]
    hits = section("hits", "Hits", *cards)
    names = [("overview", "Overview")] if num_hits else []
    write_page(
        path,
        f"Search: {query}",
        *warnings,
        overview,
        hits,
        heading=joined("Search: ", written(query)),
        lead=lead,
        contents=[*names, ("hits", "Hits")],
    )


def _overview(answer: Answer) -> Markup:
    rows = [
        (
            str(hit.rank),
            element("a", written(hit.video_id), href=f"#hit-{hit.rank}"),
            written(hit.text),
            _moment(hit.span) or "whole video",
            f"{hit.score:.4f}",
        )
        for hit in answer.hits
    ]
    columns = ("Rank", "Video", "Its sentence", "Moment", "Score")
    return table("All hits, best first.", columns, rows, numeric=(0, 4))


def _card(hit: Hit) -> Markup:
    told = facts(
        (
            ("Moment", _moment(hit.span)),
            ("Length", None if hit.duration is None else f"{hit.duration:.2f} s"),
            *((name, written(value)) for name, value in hit.columns.items() if value),
            ("Part of the index", written(hit.part) if hit.part else None),
            ("File", element("code", written(str(hit.path)))),
        )
    )
    film, stills = _pictures(hit)
    sentence = element("p", written(hit.text)) if hit.text else None
    words = element("div", sentence, stills, _matches(hit), told)
    return element(
        "article",
        element("h3", f"{hit.rank}. ", written(hit.video_id)),
        element("p", "Score ", element("span", f"{hit.score:.4f}", class_="score"), _told(hit)),
        element("div", film, words, class_="beside") if film else words,
        id=f"hit-{hit.rank}",
        class_="card",
    )


def _told(hit: Hit) -> str | None:
    return f", {hit.likelihood} ({hit.probability:.0%})" if hit.probability is not None else None


def _pictures(hit: Hit) -> tuple[Content, Content]:
    """A short film and stills, as far as this hit gets them; or why there are none."""
    if hit.rank > PICTURED:
        return None, None
    try:
        stills, film = moment_pictures(hit, STILLS, with_film=hit.rank <= PREVIEWS)
    except VideoError as error:
        return None, gone(error)
    if film is None:
        return None, still_list(stills)
    # It begins when asked to: moving pictures that start by themselves are too much for some.
    video = element(
        "video",
        src=film,
        controls=True,
        loop=True,
        muted=True,
        playsinline=True,
        poster=stills[len(stills) // 2].uri,
        aria_label=f"Preview of hit {hit.rank}, {hit.video_id}; signs without sound",
    )
    return element("div", video), still_list(stills)


def _matches(hit: Hit) -> Content:
    if not hit.matches:
        return None
    over = hit.span or Span(0.0, hit.duration or max(match.span.end for match in hit.matches))
    drawing = lanes(
        [(match.word, match.span, match.similarity) for match in hit.matches],
        over,
        f"Where each word is matched best in {hit.video_id}: {_in_words(hit.matches)}",
    )
    rows = [
        (written(match.word), _moment(match.span), f"{match.similarity:.3f}")
        for match in hit.matches
    ]
    values = table("Each word's best clip.", ("Word", "Clip", "Cosine"), rows, numeric=(1, 2))
    caption = "Where each word of the query is matched best, and the cosine there."
    return figure(drawing, caption, values)


def _in_words(matches: Sequence[WordMatch]) -> str:
    return ", ".join(f"{match.word} at {_moment(match.span)}" for match in matches)


def _moment(span: Span | None) -> str:
    return f"{span.start:.2f} to {span.end:.2f} s" if span else ""
