"""The sections of an evaluation's report about hubs, and about what a score means."""

from collections.abc import Iterator, Sequence

from search.report.charts import Series, line_plot
from search.report.markup import Content, Markup, element, joined, written
from search.report.page import figure, table
from search.report.scores_sections import ASKED, RECALLS, with_interval
from train.evaluation import TieRule
from train.evaluation.calibration import DENIED_AT, Reliability
from train.evaluation.load_model import EvaluatedModel
from train.evaluation.ranks import DIRECTIONS
from train.evaluation.report import WITHOUT_HUBS, certainties, normalised_metrics


def hub_section(models: Sequence[EvaluatedModel], ties: TieRule) -> Iterator[Markup]:
    """Recall of each model's own stream with its scores as they are, and without hubs."""
    rows: list[tuple[Content, ...]] = []
    for model in models:
        stage = model.facts["stage"]
        for direction in DIRECTIONS:
            plain = model.scores.metrics(stage, direction, ties)
            found = normalised_metrics(model.scores, stage, direction, ties)
            for name, metrics in {
                "as they are": plain,
                **{WITHOUT_HUBS[how]: metrics for how, metrics in found.items()},
            }.items():
                intervals = metrics.intervals()
                cells = (with_interval(v, intervals.get(n)) for n, v in metrics.columns.items())
                rows.append((written(model.name), ASKED[direction], name, *cells))
    columns = ("Model", "Direction", "Scores", *RECALLS, "MedR", "MeanR")
    yield table(
        "R@k in percent with 95 % bootstrap intervals, by the scores as they are and by what is "
        "left of them once each candidate's mean, or its mean and spread, over the training split "
        "is taken off, or by query-bank normalisation.",
        columns,
        rows,
        numeric=range(3, 8),
    )
    yield element(
        "p",
        "Hubs are candidates that are near to every query, such as a sentence that is first for "
        "many videos that mean others. What is taken off is fitted to the training split alone. "
        "Which of these is best here is no reason to choose it: choose on a validation split.",
        class_="quiet",
    )


def certainty_section(model: EvaluatedModel) -> Iterator[Content]:
    """How well known queries are told from unknown ones, and how far probabilities hold."""
    found = certainties(model)
    if not found:
        yield element("p", "The split has a single sentence: nothing is unknown beside it.")
        return
    rows = [
        (
            ASKED[direction],
            joined(
                f"{of.known.auroc:.3f}",
                element(
                    "span", "{:.3f} to {:.3f}".format(*of.known.interval), class_="interval"
                ),
            ),
            *_held(of.reliability),
        )
        for direction, of in found.items()
    ]  # fmt: skip
    columns = (
        "Direction", "AUROC", "Calibration error", "Told that nothing fits: with an answer",
        "Without one",
    )  # fmt: skip
    yield table(
        "AUROC: how often a query whose answer is there scores higher than one whose answer was "
        "taken out; 0.5 is chance, with a 95 % bootstrap interval over queries. Who asks is told "
        f"that nothing fits where that is at least {DENIED_AT:.0%} likely.",
        columns,
        rows,
        numeric=range(1, 5),
    )
    for direction, of in found.items():
        if of.reliability is not None:
            yield _reliability_figure(ASKED[direction], of.reliability)
    if not model.calibrations:
        yield element("p", "Probabilities are shown with --calibrate.", class_="quiet")


def _held(held: Reliability | None) -> tuple[str, str, str]:
    if held is None:
        return "-", "-", "-"
    return f"{held.error:.3f}", f"{held.known_denied:.0%}", f"{held.unknown_denied:.0%}"


def _reliability_figure(asked: str, held: Reliability) -> Markup:
    pairs = list(zip(held.predicted, held.found, held.counts, strict=True))
    told = "; ".join(f"{p:.2f} said, {found:.2f} right, of {n:,}" for p, found, n in pairs)
    drawn = line_plot(
        [Series("hits", held.predicted, held.found), Series("as said", (0, 1), (0, 1))],
        f"Reliability, {asked}: {told}",
        x_name="probability",
        y_name="fraction that is right",
        from_zero=True,
    )
    rows = [(f"{p:.3f}", f"{found:.3f}", f"{n:,}") for p, found, n in pairs]
    values = table(
        f"Hits by their probability, {asked}.", ("Said", "Right", "Hits"), rows, numeric=range(3)
    )
    return figure(
        drawn,
        f"Reliability, {asked}: of hits that are said to be right with a probability, the fraction "
        "that is. Each query's ten best, with its answer among the others and without it.",
        values,
    )
