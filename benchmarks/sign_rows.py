"""The rows and tables of benchmarks/real_signs.py: scores with intervals, and paired differences.

A row is one or several runs that have answered the same queries. The scorer is the one of
``seds-eval`` for all of them, with or without a model.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from sign_baselines import BASELINES, SignTask, nearest_by_keypoints, nearest_by_rgb

from seds_core.errors import UsageError
from train.evaluation.kept_hits import KeptHits, hit_table
from train.evaluation.metrics import CUT_OFFS, SplitScores
from train.evaluation.paired import TASKS, HitTable, crossed_bootstrap
from train.evaluation.ranks import DIRECTIONS
from train.evaluation.takes import POSE_STREAMS, WITH_TAKES, with_takes
from train.settings import Stage
from train.sweep.comparison import SELECTED_BY, differences
from train.sweep.report import NOTES, difference_rows, markdown_table, with_interval

STAGE: Stage = "fusion"
UNTRAINED = "untrained"
"""The only stream of what has no model."""

HANDS_SEEN = {"under a half": (0.0, 0.5), "a half and more": (0.5, 1.01)}
"""Parts of a clip's frames in which the keypoints show a hand."""

NEIGHBOURS = tuple(
    name for name, scorer in BASELINES.items() if scorer in (nearest_by_rgb, nearest_by_keypoints)
)


@dataclass(frozen=True)
class Row:
    """Runs that have answered the same queries with one of their streams."""

    name: str
    runs: tuple[KeptHits, ...]
    stream: str = STAGE

    def hits(self, k: int = 1) -> HitTable:
        """Which queries find their answer among the first ``k``."""
        return hit_table(self.runs, self.stream, k)


def untrained_scores(task: SignTask) -> dict[str, SplitScores]:
    """What needs no model, by its name."""
    return {
        name: SplitScores(task.gallery, {UNTRAINED: scorer(task)})
        for name, scorer in BASELINES.items()
    }


def untrained_rows(untrained: Mapping[str, SplitScores], num_asked: int | None = None) -> list[Row]:
    """A row for everything that needs no model."""
    return [
        Row(name, (hits_of_first(scores, num_asked),), UNTRAINED)
        for name, scores in untrained.items()
    ]


def trained_rows(
    recipe: str,
    runs: Sequence[SplitScores],
    num_asked: int | None = None,
    takes: SplitScores | None = None,
) -> list[Row]:
    """A row for each stream of a recipe's runs, its own stage's first, for the mean of two, for
    model and takes where these are given, and for the seeds' ensemble."""
    runs = [with_mean_of(run, POSE_STREAMS) for run in runs]
    if takes is not None:
        runs = [with_sum_of(run, takes) for run in runs]
    kept = tuple(hits_of_first(run, num_asked) for run in runs)
    streams = sorted(kept[0].streams, key=lambda stream: stream != STAGE)
    names = {STAGE: recipe, WITH_TAKES: f"{recipe}, {WITH_TAKES}"}
    rows = [Row(names.get(stream, f"{recipe}, {stream} alone"), kept, stream) for stream in streams]
    if len(runs) > 1:
        together = (hits_of_first(ensemble(runs), num_asked),)
        rows.append(Row(f"{recipe}, ensemble of {len(runs)} seeds", together))
    return rows


def with_mean_of(run: SplitScores, streams: tuple[str, ...]) -> SplitScores:
    """Adds the mean of some streams' similarities as one more; as it is where one is lacking."""
    if not set(streams) <= set(run.streams):
        return run
    mean = np.mean([run.scores[stream] for stream in streams], axis=0, dtype=np.float64)
    return SplitScores(run.gallery, {**run.scores, " and ".join(streams): mean})


def with_sum_of(run: SplitScores, takes: SplitScores) -> SplitScores:
    """Adds the sum of the model's scores and of untrained ones, as ``seds-eval --takes`` does."""
    check_same_gallery([run, takes])
    total = with_takes(run, takes.scores[UNTRAINED])
    return SplitScores(run.gallery, {**run.scores, WITH_TAKES: total})


def ensemble(runs: Sequence[SplitScores]) -> SplitScores:
    """Scores of several runs as one: the mean of their similarities, stream by stream."""
    check_same_gallery(runs)
    means = {
        stream: np.mean([run.scores[stream] for run in runs], axis=0, dtype=np.float64)
        for stream in runs[0].streams
    }
    return SplitScores(runs[0].gallery, means)


def check_same_gallery(runs: Iterable[SplitScores]) -> None:
    """Raises ``UsageError`` unless all have scored the same videos and sentences."""
    if len({(run.gallery.video_ids, run.gallery.sentences) for run in runs}) > 1:
        raise UsageError("what has scored other videos or sentences cannot be added up")


def hits_of_first(scores: SplitScores, num_videos: int | None = None) -> KeptHits:
    """The hits of the first videos and of their sentences, among all; of every video for ``None``.

    The other videos and sentences are candidates, and ask nothing themselves.
    """
    kept = KeptHits.of(scores)
    if num_videos is None:
        return kept
    text_of_video = kept.text_of_video[:num_videos]
    # Sentences are numbered in the order in which the videos bring them.
    num_queries = dict(zip(DIRECTIONS, (int(text_of_video.max()) + 1, num_videos), strict=True))
    return KeptHits(
        kept.video_ids[:num_videos],
        kept.sentences[: num_queries["text_to_video"]],
        text_of_video,
        {key: hits[: num_queries[key[1]]] for key, hits in kept.hits.items()},
    )


def score_lines(rows: Sequence[Row]) -> list[str]:
    """Recall of all rows: means over runs, with intervals over runs and queries."""
    ways = TASKS[:2]

    def cells() -> Iterator[tuple[str, ...]]:
        yield ("", *(f"{way} R@{k}" for way in ways for k in CUT_OFFS))
        for row in rows:
            found = {k: crossed_bootstrap(row.hits(k)) for k in CUT_OFFS}
            yield (row.name, *(with_interval(found[k][way]) for way in ways for k in CUT_OFFS))

    return list(markdown_table(cells()))


def difference_lines(
    recipes: Mapping[str, Row], untrained: Iterable[Row], baselines: Sequence[str]
) -> list[str]:
    """R@1 of every recipe less that of each trained baseline, and less an untrained neighbour's.

    The neighbour is the one that answers more of these queries: chosen by them, against the model.
    """
    check_same_queries([*recipes.values(), *untrained])
    tables = {name: row.hits() for name, row in recipes.items()}
    neighbours = {row.name: row.hits() for row in untrained if row.name in NEIGHBOURS}
    better = max(neighbours, key=lambda name: neighbours[name].recalls()[SELECTED_BY][0])
    lines = []
    trained = [(name, tables) for name in baselines if name in tables]
    for other, compared in (*trained, (better, tables | {better: neighbours[better]})):
        if apart := differences(compared, other):
            lines += [f"R@1 less that of *{other}*, in points:", ""]
            lines += markdown_table(difference_rows(apart))
    num_seeds = max(table.num_runs for table in tables.values())
    return [*lines, NOTES.format(seeds=num_seeds, least=2 / 2**num_seeds)]


def hands_lines(rows: Iterable[Row], seen: Float64[np.ndarray, " video"]) -> list[str]:
    """V2T R@1 of clips that show hands in few and in many of their frames: do keypoints limit it?

    ``seen`` is the part of each clip's frames that shows a hand.
    """
    groups = {name: (seen >= low) & (seen < high) for name, (low, high) in HANDS_SEEN.items()}
    head = [f"{name}: {is_in.sum()} clips" for name, is_in in groups.items()]
    cells = [("V2T R@1 by frames with a hand", *head)]
    for row in rows:
        hits = np.mean([run.hits[row.stream, "video_to_text", 1] for run in row.runs], axis=0)
        means = (
            f"{100 * hits[is_in].mean():.1f}" if is_in.any() else "" for is_in in groups.values()
        )
        cells.append((row.name, *means))
    return list(markdown_table(cells))


def check_same_queries(rows: Iterable[Row]) -> None:
    """Raises ``UsageError`` unless all rows have answered the same queries in the same order."""
    queries = {
        (run.video_ids, run.sentences, run.text_of_video.tobytes())
        for row in rows
        for run in row.runs
    }
    if len(queries) > 1:
        raise UsageError(
            "some rows have answered other queries than others, as where a clip could not be read: "
            "their scores cannot be compared"
        )


def fold_lines(folds: Sequence[Mapping[str, Row]]) -> list[str]:
    """R@1 of each recipe as the mean over folds and seeds, the best one named."""
    means = {
        recipe: {
            way: float(np.mean([np.mean(fold[recipe].hits().recalls()[way]) for fold in folds]))
            for way in TASKS
        }
        for recipe in folds[0]
    }
    # max returns the first of equal ones.
    best = max(means, key=lambda recipe: means[recipe][SELECTED_BY])
    rows = [("recipe", *(f"{way} R@1" for way in TASKS))]
    rows += [(recipe, *(f"{mean[way]:.1f}" for way in TASKS)) for recipe, mean in means.items()]
    title = f"Mean of {len(folds)} folds. The best mean of both directions: **{best}**."
    return [title, "", *markdown_table(rows)]
