"""The similarities of words and clips as a drawing, and what each of them gives the score."""

from collections.abc import Iterable

import numpy as np

from search.report.heat_map import Heat, heat_map
from search.report.markup import Markup, element, written
from search.report.page import figure, table
from search.results import Alignment, Span

WHOLE = "all"
"""Name of the class token, which stands for the video as a whole."""

KEY = (
    "Each cell is the cosine of a word and a clip; the column “all” is the class token, which sees "
    "the whole video. Bars: what a word (right) or a clip (below) finds in the other side, the "
    "mean of its cosines weighted by their softmax. The score is half the mean of the bars below, "
    "which is equation 13, and half that of the bars to the right, equation 14."
)
"""How to read the drawings."""


def alignment_figure(alignment: Alignment, video: str, *, largest: float) -> Markup:
    """Draws words by clips, with what each word and each clip finds in the other side.

    ``largest`` is the cosine of the strongest colour, so that drawings can be compared.
    """
    values = np.concatenate([alignment.class_token[None], alignment.similarities]).T
    clips = [WHOLE, *(str(n) for n in range(1, len(alignment.clips) + 1))]
    drawing = heat_map(
        values,
        Heat(
            rows=alignment.words,
            columns=clips,
            column_name=_timeline(alignment.clips),
            row_bars=alignment.of_words,
            column_bars=np.concatenate([[alignment.of_class_token], alignment.of_clips]),
            apart=1,
            largest=largest,
        ),
        f"Cosines of {len(alignment.words)} words with {len(alignment.clips)} clips of {video}, "
        f"stream {alignment.stream}. {_best_match(alignment)}",
    )
    rows = (
        (written(word), *(f"{value:z.3f}" for value in cosines), f"{found:.3f}")
        for word, cosines, found in zip(
            alignment.words, values.tolist(), alignment.of_words.tolist(), strict=True
        )
    )
    columns = ("Word", "Whole video", *(_clip_name(n, s) for n, s in _numbered(alignment)), "Finds")
    cosines = table(
        f"Cosines of stream {alignment.stream}; the last column is what the word finds in the "
        "video.",
        columns,
        rows,
        numeric=range(1, len(columns)),
    )
    halves = f"½ ({alignment.video_to_text:.3f} + {alignment.text_to_video:.3f})"
    caption = f"Stream {alignment.stream}: score {alignment.score:.3f} = {halves}"
    return figure(drawing, caption, cosines)


def alignment_figures(alignments: Iterable[Alignment], video: str, largest: float) -> Markup:
    """Draws the maps of several streams side by side."""
    maps = (alignment_figure(alignment, video, largest=largest) for alignment in alignments)
    return element("div", *maps, class_="maps")


def score_table(alignments: Iterable[Alignment]) -> Markup:
    """Returns both halves of each stream's score."""
    rows = (
        (a.stream, f"{a.video_to_text:.4f}", f"{a.text_to_video:.4f}", f"{a.score:.4f}")
        for a in alignments
    )
    columns = ("Stream", "Clips find words (eq. 13)", "Words find clips (eq. 14)", "Score (eq. 15)")
    return table(
        "The score is the mean of its two halves: what clips find in the sentence, and what words "
        "find in the video.",
        columns,
        rows,
        numeric=(1, 2, 3),
    )


def word_table(alignment: Alignment) -> Markup:
    """Returns how much of the score each word carries, and where it is matched best."""
    share = 0.5 / len(alignment.words)
    best = alignment.similarities.argmax(axis=0) if len(alignment.clips) else None
    rows = []
    for number, word in enumerate(alignment.words):
        found = float(alignment.of_words[number])
        clip = None if best is None else int(best[number])
        rows.append(
            (
                written(word),
                f"{found:.3f}",
                f"{share * found:.4f}",
                "" if clip is None else _clip_name(clip + 1, alignment.clips[clip]),
                "" if clip is None else f"{alignment.similarities[clip, number]:.3f}",
            )
        )
    columns = ("Word", "Finds in the video", "Carries of the score", "Best clip", "Cosine there")
    caption = f"Words, stream {alignment.stream}: together they carry half of the score."
    return table(caption, columns, rows, numeric=(1, 2, 4))


def clip_table(alignment: Alignment) -> Markup:
    """Returns how much of the score each clip carries, and which word it matches best."""
    share = 0.5 / (1 + len(alignment.clips))

    def row(name: str, cosines: np.ndarray, found: float) -> tuple[Markup | str, ...]:
        word = int(cosines.argmax())
        carried = f"{share * found:.4f}"
        best = written(alignment.words[word]), f"{cosines[word]:.3f}"
        return (name, f"{found:.3f}", carried, *best)

    rows = [row("Whole video", alignment.class_token, alignment.of_class_token)]
    rows += [
        row(_clip_name(n, span), alignment.similarities[n - 1], float(alignment.of_clips[n - 1]))
        for n, span in _numbered(alignment)
    ]
    columns = ("Clip", "Finds in the sentence", "Carries of the score", "Best word", "Cosine there")
    caption = f"Clips, stream {alignment.stream}: they and the class token carry the other half."
    return table(caption, columns, rows, numeric=(1, 2, 4))


def largest_cosine(alignments: Iterable[Alignment]) -> float:
    """The largest value of all, by which drawings can be compared."""
    return max(
        float(np.abs(np.concatenate([a.class_token[None], a.similarities])).max())
        for a in alignments
    )


def _numbered(alignment: Alignment) -> Iterable[tuple[int, Span]]:
    return enumerate(alignment.clips, start=1)


def _clip_name(number: int, span: Span) -> str:
    if not np.isfinite(span).all():
        return str(number)
    return f"{number} ({span.start:.2f} to {span.end:.2f} s)"


def _timeline(clips: tuple[Span, ...]) -> str:
    if not clips or not np.isfinite(clips).all():
        return "clips in the order of time"
    first, last = clips[0].start, clips[-1].end
    return f"clips, {first:.2f} to {last:.2f} s"


def _best_match(alignment: Alignment) -> str:
    if not alignment.similarities.size:
        return "It has no clips."
    clip, word = np.unravel_index(alignment.similarities.argmax(), alignment.similarities.shape)
    value = alignment.similarities[clip, word]
    return f"The best pair is “{alignment.words[word]}” and clip {clip + 1}, {value:.2f}."
