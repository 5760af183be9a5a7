"""The sections of an evaluation's report that show videos: queries, alignments, attention."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from extract.videos.part import VideoError
from search.report.alignment_view import alignment_figures, largest_cosine
from search.report.chosen_queries import ChosenQuery
from search.report.heat_map import Heat, heat_map
from search.report.markup import Content, Markup, element, written
from search.report.page import figure, table
from search.report.seen_videos import Attention, SeenVideo
from search.report.stills import gone, still_list
from search.results import Alignment

STILLS = 8
TOP_NEIGHBOURS = 3


@dataclass(frozen=True)
class Example:
    """A query with its correct video, the best wrong one, and why each scores as it does."""

    query: ChosenQuery
    sentence: str
    video: SeenVideo
    alignments: tuple[Alignment, ...]
    """Of the correct video, the stage's own stream first."""
    wrong_video: SeenVideo | None
    wrong_alignment: Alignment | None
    """Of the stage's own stream."""


def example_card(example: Example, pictures: dict[str, Content]) -> Markup:
    """Shows one query; ``pictures`` are those of the videos, by their ids."""
    query, maps = example.query, list(example.alignments)
    if example.wrong_alignment is not None:
        maps.append(example.wrong_alignment)
    largest = largest_cosine(maps)
    told = f"Rank {query.rank:g}. Its video scores {query.score:.4f}"
    if query.wrong_video is not None:
        lead = f"{abs(query.margin):.4f} {'ahead of' if query.margin > 0 else 'behind'}"
        told += f", {lead if query.margin else 'level with'} the best wrong one"
    parts: list[Content] = [
        element("h4", "Its video: ", written(example.video.video_id)),
        pictures[example.video.video_id],
        alignment_figures(example.alignments, example.video.video_id, largest),
    ]
    if example.wrong_video is not None and example.wrong_alignment is not None:
        wrong = example.wrong_video
        parts += [
            element("h4", "Best wrong video: ", written(wrong.video_id)),
            element("p", "Its sentence: ", element("q", written(wrong.text))),
            pictures[wrong.video_id],
            alignment_figures([example.wrong_alignment], wrong.video_id, largest),
        ]
    return element(
        "article",
        element("h3", element("q", written(example.sentence))),
        element("p", f"{told}."),
        *parts,
        class_="card",
    )


def contact_sheet(video: SeenVideo) -> Content:
    """Returns stills of a video with its skeleton, or why there are none."""
    try:
        return still_list(video.stills(STILLS))
    except VideoError as error:
        return gone(error)


def attention_section(videos: Sequence[SeenVideo], shown: Sequence[SeenVideo]) -> Iterator[Markup]:
    """Which clips of the other stream each clip attends to: drawn for ``shown``, summed for all."""
    yield element(
        "p",
        "In cross gloss attention, each clip of one stream takes from a few clips of the other, at "
        "learned places around its own. A row is a clip that takes, a column one that gives; "
        "“all” is the class token. Weights are means over the heads.",
    )
    yield distance_table(videos)
    for video in shown:
        yield element("h3", written(video.video_id))
        # Both branches of a layer stand side by side.
        yield element("div", *map(_attention_figure, video.attention), class_="maps")


def distance_table(videos: Sequence[SeenVideo]) -> Markup:
    """Sums up where the weight lies: on the same clip, how far away, on the class token."""
    rows = []
    for number, first in enumerate(videos[0].attention):
        of_layer = [reach_of(video.attention[number]) for video in videos]
        same, distance, on_class = np.nanmean(of_layer, axis=0)
        rows.append(
            (_name(first), f"{100 * same:.0f} %", f"{distance:.2f}", f"{100 * on_class:.0f} %")
        )
    columns = (
        "Layer and branch",
        "On the same clip",
        "Mean distance in clips",
        "On the class token",
    )
    caption = f"Where the clips of {len(videos)} videos take from, by weight."
    return table(caption, columns, rows, numeric=(1, 2, 3))


def reach_of(attention: Attention) -> tuple[float, float, float]:
    """Returns the share of weight on the same clip, the mean distance, and the class token's share.

    The class token's own row is left out; distances are of the weight that lies on clips, NaN
    where none does.
    """
    weights = attention.weights[1:].astype(np.float64)
    total = weights.sum() or 1.0
    numbers = np.arange(len(weights))
    on_clips = weights[:, 1:]
    distances = np.abs(numbers[:, None] - numbers[None])
    mean = (on_clips * distances).sum() / on_clips.sum() if on_clips.sum() > 0 else np.nan
    return float(np.trace(on_clips) / total), float(mean), float(weights[:, 0].sum() / total)


def _name(attention: Attention) -> str:
    other = "rgb" if attention.branch == "pose" else "pose"
    return f"Layer {attention.layer}, {attention.branch} takes from {other}"


def _attention_figure(attention: Attention) -> Markup:
    num_tokens = len(attention.weights)
    names = ["all", *(str(clip) for clip in range(1, num_tokens))]
    name = _name(attention)
    drawing = heat_map(
        attention.weights,
        Heat(
            names,
            names,
            "clips that give",
            apart=1,
            row_height=max(7.0, min(24.0, 480 / num_tokens)),
        ),
        f"{name}: weights of {num_tokens - 1} clips on as many.",
    )
    rows = []
    for own, weights in zip(names, attention.weights, strict=True):
        best = np.argsort(-weights, kind="stable")[:TOP_NEIGHBOURS]
        rows.append((own, *(f"{names[n]} ({weights[n]:.2f})" for n in best)))
    columns = ("Clip", *("first", "second", "third")[: min(TOP_NEIGHBOURS, num_tokens)])
    values = table(f"{name}: strongest neighbours and their weights.", columns, rows)
    return figure(drawing, f"{name}.", values)
