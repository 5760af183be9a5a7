"""A page that tells why a video was found for a sentence."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from extract.videos.part import VideoError
from search.index.records import EntryRecord
from search.report.alignment_view import (
    KEY,
    alignment_figures,
    clip_table,
    largest_cosine,
    score_table,
    word_table,
)
from search.report.markup import Content, element, joined, written
from search.report.page import facts, problem, section, write_page
from search.report.stills import gone, moment_pictures, still_list, stills_at
from search.results import Alignment

MOST_STILLS = 16


def write_explain_page(
    alignments: Sequence[Alignment], record: EntryRecord, sentence: str, path: Path
) -> None:
    """Writes why a video scores as it does for a sentence, as one file that needs no other.

    The first alignment is of the stream that the index ranks by. A video that cannot be read has
    its reason in place of stills. Raises ``OSError`` where the file cannot be written.
    """
    ranking, *others = alignments
    largest = largest_cosine(alignments)
    same = "its own sentence" if sentence == record.text else None
    lead = joined(
        "The sentence ", element("q", written(sentence)), f", {same}," if same else None,
        f" scores {ranking.score:.4f} with this video by the stream {ranking.stream}. ",
        _in_short(ranking),
    )  # fmt: skip
    sections = [
        section("video", "The video", _stills(record, ranking), _told(record)),
        section(
            "score",
            "The score in halves",
            score_table(alignments),
            None
            if others
            else problem("Other streams are not in the index, and their stores were not found."),
        ),
        section(
            "words",
            "Words and clips",
            element("p", KEY),
            alignment_figures(alignments, record.video_id, largest),
        ),
        section("shares", "What carries the score", word_table(ranking), clip_table(ranking)),
    ]
    write_page(
        path,
        f"Why {record.video_id} was found",
        *sections,
        heading=joined("Why ", written(record.video_id), " was found"),
        lead=lead,
        contents=[
            ("video", "The video"),
            ("score", "The score"),
            ("words", "Words and clips"),
            ("shares", "What carries it"),
        ],
    )


def _in_short(alignment: Alignment) -> Content:
    """The words that carry most, in one sentence."""
    best = np.argsort(-alignment.of_words, kind="stable")[:3]
    names = [
        joined(
            ", " if place else None,
            element("q", written(alignment.words[word])),
            f" ({alignment.of_words[word]:.2f})",
        )
        for place, word in enumerate(best.tolist())
    ]
    return joined("It is carried most by ", *names, ".")


def _stills(record: EntryRecord, alignment: Alignment) -> Content:
    """A still from the middle of each clip, or of evenly chosen ones where there are many."""
    spans = np.array(alignment.clips).reshape(-1, 2)
    try:
        if not len(spans) or not np.isfinite(spans).all():
            stills, _ = moment_pictures(record, MOST_STILLS, with_film=False)
        else:
            middles = spans.mean(axis=1)
            few = np.linspace(0, len(middles) - 1, min(MOST_STILLS, len(middles))).round()
            stills = stills_at(record, middles[few.astype(int)].tolist())
    except VideoError as error:
        return gone(error)
    if len(spans) <= MOST_STILLS:
        return joined(element("p", "The middle of each clip:"), still_list(stills))
    return joined(element("p", "Clips along the timeline:"), still_list(stills))


def _told(record: EntryRecord) -> Content:
    span = record.span
    return facts(
        (
            ("Its own sentence", written(record.text) if record.text else None),
            ("Moment", f"{span.start:.2f} to {span.end:.2f} s" if span else None),
            ("Length", None if record.duration is None else f"{record.duration:.2f} s"),
            *((name, written(value)) for name, value in record.columns.items() if value),
            ("File", element("code", written(str(record.path)))),
        )
    )
