"""The sections of an evaluation's report that need its scores alone."""

from collections.abc import Iterator, Sequence

import numpy as np

from search.report.breakdown import Breakdown
from search.report.charts import Bar, bars, histogram
from search.report.heat_map import Heat, heat_map
from search.report.markup import Content, Markup, element, escaped, joined, written
from search.report.page import figure, table
from search.report.paired_test import PairedTest, paired_test
from train.evaluation import TieRule
from train.evaluation.load_model import EvaluatedModel
from train.evaluation.metrics import CUT_OFFS, chance_metrics, most_confused, spread_of
from train.evaluation.ranks import DIRECTIONS, Direction

ASKED: dict[Direction, str] = {
    "text_to_video": "sentence to video",
    "video_to_text": "video to sentence",
}
RECALLS = tuple(f"R@{k}" for k in CUT_OFFS)

BIN_ENDS = (1, 2, 3, 5, 10, 20, 50, 100, 1000)
"""Last rank of each bin of a histogram; what lies beyond is one more."""

CONFUSED = 12
"""Sentences in the map of confusions."""
MOVED = 6
"""Queries shown that a second model ranks better than the first, and as many worse ones."""


def recall_section(models: Sequence[EvaluatedModel], ties: TieRule) -> Iterator[Markup]:
    """Recall of each model, stream and direction, with intervals, beside chance."""
    rows: list[tuple[Content, ...]] = []
    drawn: list[Bar] = []
    for number, model in enumerate(models):
        for stream in model.scores.streams:
            for direction in DIRECTIONS:
                metrics = model.scores.metrics(stream, direction, ties)
                intervals = metrics.intervals()
                cells = (
                    with_interval(value, intervals.get(name))
                    for name, value in metrics.columns.items()
                )
                rows.append((written(model.name), stream, ASKED[direction], *cells))
                name = f"{stream}, {'text' if direction == 'text_to_video' else 'video'}"
                name = name if len(models) == 1 else f"{number + 1}. {name}"
                drawn.append(Bar(name, metrics.recall[1], intervals["R@1"], colour=number))
    num_scored = len(rows)
    for direction, metrics in chance_metrics(models[0].scores.gallery).items():
        of_chance = (f"{value:.3g}" for value in metrics.columns.values())
        rows.append(("chance", "", ASKED[direction], *of_chance))
    columns = ("Model", "Stream", "Direction", *RECALLS, "MedR", "MeanR")
    caption = (
        "R@k: percent of queries whose answer is among the first k, with 95 % bootstrap intervals "
        f"over queries; median and mean rank. Equal scores: {ties}."
    )
    yield table(caption, columns, rows, numeric=range(3, 8), quiet=range(num_scored, len(rows)))
    order = "" if len(models) == 1 else " Models are numbered in the order of the table."
    yield figure(
        bars(drawn, "R@1 in percent: " + _told(drawn), maximum=100),
        f"R@1 in percent, asked with the text or with the video, with its interval.{order}",
    )
    if len(models) > 1:
        yield _spread(models, ties)


def with_interval(value: float, interval: tuple[float, float] | None) -> Markup:
    """A value in percent, with its interval below."""
    below = None if interval is None else f"{interval[0]:.1f} to {interval[1]:.1f}"
    return joined(f"{value:.1f}", element("span", below, class_="interval") if below else None)


def _told(drawn: Sequence[Bar]) -> str:
    return "; ".join(f"{bar.label} {bar.value:.1f}" for bar in drawn)


def _spread(models: Sequence[EvaluatedModel], ties: TieRule) -> Markup:
    rows = [
        (
            stream,
            ASKED[direction],
            *(f"{value['mean']:.1f} ± {value['deviation']:.1f}" for value in columns.values()),
        )
        for stream, directions in spread_of([model.scores for model in models], ties).items()
        for direction, columns in directions.items()
    ]
    columns = ("Stream", "Direction", *RECALLS, "MedR", "MeanR")
    caption = f"Mean ± standard deviation (n - 1) of the {len(models)} models."
    return table(caption, columns, rows, numeric=range(2, 7))


def rank_section(models: Sequence[EvaluatedModel]) -> Iterator[Markup]:
    """How many queries have which rank, by each model's own stream."""
    for direction in DIRECTIONS:
        ranks = [
            np.ceil(model.scores.ranks[model.facts["stage"]][direction].expected)
            for model in models
        ]
        largest = max(int(values.max()) for values in ranks)
        names, edges = rank_bins(largest)
        counts = [np.histogram(values, edges)[0].astype(float).tolist() for values in ranks]
        series = [(model.name, count) for model, count in zip(models, counts, strict=True)]
        told = "; ".join(
            f"{model}: "
            + ", ".join(
                f"{count:.0f} at {name}" for name, count in zip(names, of, strict=True) if count
            )
            for model, of in series
        )
        columns = ("Rank", *(name for name, _ in series))
        rows = [
            (name, *(f"{of[number]:.0f}" for _, of in series)) for number, name in enumerate(names)
        ]
        asked = ASKED[direction]
        yield figure(
            histogram(names, series, f"Ranks, {asked}: {told}"),
            f"Queries by the rank of their answer, {asked}; tied ranks by their expectation, "
            "rounded up.",
            table(f"Queries by rank, {asked}.", columns, rows, numeric=range(1, len(columns))),
        )


def rank_bins(largest: int) -> tuple[list[str], list[float]]:
    """Returns names and edges of the bins up to the largest rank.

    >>> rank_bins(7)
    (['1', '2', '3', '4-5', '6-7'], [0.5, 1.5, 2.5, 3.5, 5.5, 7.5])
    """
    ends = [end for end in BIN_ENDS if end < largest] + [largest]
    starts = [1, *(end + 1 for end in ends[:-1])]
    names = [
        f"{start}" if start == end else f"{start}-{end}"
        for start, end in zip(starts, ends, strict=True)
    ]
    return names, [0.5, *(end + 0.5 for end in ends)]


def comparison_section(
    first: EvaluatedModel, second: EvaluatedModel, ties: TieRule
) -> Iterator[Markup]:
    """A paired test of the second model against the first, and the queries that moved most."""
    # The published rule counts tied queries several times: they have no partners.
    rule: TieRule = "expected" if ties == "published" else ties
    gallery = first.scores.gallery
    groups = {
        "text_to_video": np.arange(len(gallery.sentences)),
        "video_to_text": gallery.text_of_video,
    }
    rows: list[tuple[Content, ...]] = []
    for stream in first.scores.streams:
        for direction in DIRECTIONS:
            one, other = (m.scores.metrics(stream, direction, rule) for m in (first, second))
            for k in CUT_OFFS:
                test = paired_test(one.hits[k], other.hits[k], groups[direction])
                rows.append((stream, ASKED[direction], f"R@{k}", *_cells(test)))
    columns = (
        "Stream", "Direction", "Score", "First", "Second", "Difference", "95 % interval",
        "Won / lost", "p",
    )  # fmt: skip
    alone = 0.05 / len(rows)
    yield table(
        joined(
            "Second: ", written(second.name), ". First: ", written(first.name), ". Points of "
            f"percent; equal scores: {rule}.",
        ),
        columns,
        rows,
        numeric=range(3, 9),
    )  # fmt: skip
    yield element(
        "p",
        "p is that of a randomisation test over queries: if both models were equally good, the two "
        "outcomes of a query could as well be swapped. It assumes nothing about how outcomes are "
        "distributed and holds for few queries, of which most have equal outcomes. Videos of one "
        "sentence are swapped together. The interval is a bootstrap over the same groups. Each p "
        f"stands for its row alone: of {len(rows)} rows, one below {alone:.2g} is remarkable by "
        "itself (Bonferroni). Neither says what another training seed would change.",
        class_="quiet",
    )
    yield _moved(first, second)


def _cells(test: PairedTest) -> tuple[str, ...]:
    low, high = test.interval
    return (
        f"{test.first:.1f}", f"{test.second:.1f}", f"{test.difference:+.1f}",
        f"{low:+.1f} to {high:+.1f}", f"{test.num_won} / {test.num_lost}", f"{test.p_value:.2g}",
    )  # fmt: skip


def _moved(first: EvaluatedModel, second: EvaluatedModel) -> Markup:
    stage, gallery = first.facts["stage"], first.scores.gallery
    before, after = (m.scores.ranks[stage]["text_to_video"].expected for m in (first, second))
    gain = before - after
    order = np.argsort(-gain, kind="stable")
    chosen = [n for n in order[:MOVED] if gain[n] > 0] + [n for n in order[-MOVED:] if gain[n] < 0]
    rows = [
        (written(gallery.sentences[n]), f"{before[n]:g}", f"{after[n]:g}", f"{gain[n]:+g}")
        for n in chosen
    ]
    columns = ("Sentence", "Rank by the first", "Rank by the second", "Places won")
    if not rows:
        return element("p", "Both models give every sentence the same rank.")
    caption = f"Sentences whose video moved most, stream {stage}."
    return table(caption, columns, rows, numeric=(1, 2, 3))


def breakdown_figures(found: Sequence[Breakdown]) -> Iterator[Markup]:
    """R@1 of each group of videos, in both directions."""
    for one in found:
        drawn = [
            Bar(group.name, recall, group.intervals[direction], colour=number)
            for group in one.groups
            for number, direction in enumerate(DIRECTIONS)
            if (recall := group.recall[direction]) is not None
        ]
        rows = [
            (
                written(group.name),
                f"{group.num_videos:,}",
                f"{group.num_sentences:,}",
                *(
                    "no query"
                    if (r := group.recall[d]) is None
                    else with_interval(r, group.intervals[d])
                    for d in DIRECTIONS
                ),
            )
            for group in one.groups
        ]
        columns = ("Group", "Videos", "Sentences", *(f"R@1, {ASKED[d]}" for d in DIRECTIONS))
        caption = joined(
            "By ", element("b", written(one.name)), ": R@1 in percent, sentence to video above "
            "video to sentence, with intervals.",
        )  # fmt: skip
        values = table(
            "A sentence counts where all of its videos are in the group.",
            columns,
            rows,
            numeric=range(1, 5),
        )
        yield figure(
            bars(drawn, f"R@1 by {one.name}, each asked both ways: {_told(drawn)}", maximum=100),
            caption,
            values,
        )


def confusion_section(model: EvaluatedModel) -> Iterator[Markup]:
    """Which sentences are taken for which: a map of the frequent ones, and the clearest pairs."""
    stage, gallery = model.facts["stage"], model.scores.gallery
    confusions = most_confused(model.scores, stage, CONFUSED)
    if not confusions:
        yield element("p", "Every video's own sentence has the highest score.")
        return
    chosen = frequent_sentences(model)
    taken = model.scores.ranks[stage]["video_to_text"].top_candidate
    counts = np.zeros((len(chosen), len(chosen) + 1))
    column_of = {text: column for column, text in enumerate(chosen)}
    for own, found in zip(gallery.text_of_video.tolist(), taken.tolist(), strict=True):
        if own in column_of:
            counts[column_of[own], column_of.get(found, len(chosen))] += 1
    names = [f"{n}. {gallery.sentences[text]}" for n, text in enumerate(chosen, start=1)]
    columns = [*(str(n) for n in range(1, len(chosen) + 1)), "other"]
    right = sum(counts[n, n] for n in range(len(chosen)))
    drawing = heat_map(
        counts,
        Heat(names, columns, "the sentence with the highest score", form=".0f"),
        f"Videos of {len(chosen)} sentences by the sentence that scores highest; "
        f"{right:.0f} of {counts.sum():.0f} are right.",
    )
    rows = [
        (escaped(name), *(f"{count:.0f}" for count in of_row))
        for name, of_row in zip(names, counts.tolist(), strict=True)
    ]
    yield figure(
        drawing,
        "Rows: videos of a sentence; columns: the sentence that scores highest for them. The "
        "diagonal is right. Shown are the sentences of most videos, the confused ones first.",
        table(
            "Videos by sentence.", ("Sentence", *columns), rows, numeric=range(1, len(chosen) + 2)
        ),
    )
    pairs = [
        (
            written(c.sentence), written(c.taken_for), f"{c.num_videos:,} of {c.of_videos:,}",
            f"{c.margin:.3f}",
        )
        for c in confusions
    ]  # fmt: skip
    yield table(
        "Clearest confusions; the margin is how much higher the wrong sentence scores.",
        ("Sentence", "Taken for", "Videos", "Margin"),
        pairs,
        numeric=(2, 3),
    )


def frequent_sentences(model: EvaluatedModel) -> list[int]:
    """Returns the sentences of most videos; of equally many, those in the clearest confusions."""
    gallery = model.scores.gallery
    place: dict[str, int] = {}
    for confusion in most_confused(model.scores, model.facts["stage"], CONFUSED):
        for sentence in (confusion.sentence, confusion.taken_for):
            place.setdefault(sentence, len(place))
    num_videos = np.bincount(gallery.text_of_video)
    order = sorted(
        range(len(gallery.sentences)),
        key=lambda text: (-num_videos[text], place.get(gallery.sentences[text], len(place)), text),
    )
    return order[:CONFUSED]
