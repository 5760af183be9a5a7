"""The report of an evaluation: how well, with whom, why, and against which other model."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch

from search.report.alignment_view import KEY
from search.report.breakdown import Breakdown, VideoFacts, breakdowns
from search.report.certainty_sections import certainty_section, hub_section
from search.report.chosen_queries import ChosenQuery, chosen_queries
from search.report.example_sections import (
    Example,
    attention_section,
    contact_sheet,
    example_card,
)
from search.report.markup import Content, Markup, element, joined, written
from search.report.page import facts, problem, section, write_page
from search.report.scores_sections import (
    breakdown_figures,
    comparison_section,
    confusion_section,
    rank_section,
    recall_section,
)
from search.report.seen_videos import SeenVideo, alignments, see_sentence, see_videos
from search.report.training_curves import curves_figures, read_curves
from seds_core.console import messages, track
from train.checkpoints.run_folder import RunFolder
from train.data.retrieval_data import RetrievalData
from train.evaluation import TieRule
from train.evaluation.load_model import EvaluatedModel, LoadedModel
from train.settings import Stage

NUM_BEST, NUM_WORST = 3, 5
"""Queries that are shown of a model. Of several models each shows fewer, and of many the first
ones alone: the file stays a few megabytes."""
MODELS_SHOWN = 3
ATTENTION_SHOWN = 2
"""Videos whose attention is drawn."""


@dataclass(frozen=True)
class Findings:
    """What was found while a model was in memory."""

    breakdowns: tuple[Breakdown, ...]
    best: tuple[Example, ...]
    worst: tuple[Example, ...]
    videos: tuple[SeenVideo, ...]
    """Of all examples."""
    pictures: dict[str, Content]
    """Contact sheets, by the videos' ids."""


class EvalReport:
    """Looks at each model that is evaluated, and writes ``index.html`` about all of them."""

    def __init__(self, folder: Path, num_models: int, ties: TieRule) -> None:
        """Raises ``OSError`` for a folder that cannot be made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "index.html"
        self._ties = ties
        self._counts = (NUM_BEST, NUM_WORST) if num_models == 1 else (2, 3)
        self._found: list[Findings] = []

    def look(self, model: EvaluatedModel, loaded: LoadedModel, device: torch.device) -> None:
        """Sees how the model comes to its best and worst answers."""
        stage, scores = loaded.facts["stage"], model.scores
        facts_of_videos = video_facts(loaded.data, scores.gallery.video_ids)
        found = tuple(breakdowns(scores, stage, facts_of_videos, self._ties))
        if len(self._found) >= MODELS_SHOWN:
            self._found.append(Findings(found, (), (), (), {}))
            return
        num_best, num_worst = self._counts
        best, worst = chosen_queries(scores, stage, num_best=num_best, num_worst=num_worst)
        seen = see_videos(loaded, _video_ids(model, [*best, *worst]), device)
        self._found.append(
            Findings(
                found,
                tuple(_example(model, loaded, query, seen, device) for query in best),
                tuple(_example(model, loaded, query, seen, device) for query in worst),
                tuple(seen.values()),
                {v.video_id: contact_sheet(v) for v in track(seen.values(), "stills")},
            )
        )

    def write(self, models: Sequence[EvaluatedModel]) -> None:
        """Writes the report on the models that were looked at, in their order."""
        gallery = models[0].scores.gallery
        pairs = list(zip(models, self._found, strict=True))
        named: list[tuple[str, str, Iterable[Content]]] = [
            ("recall", "Recall", recall_section(models, self._ties)),
            ("ranks", "Ranks", [element("div", *rank_section(models), class_="pair")]),
        ]
        if all(model.scores.bank for model in models):
            named.append(("hubs", "Hubs", hub_section(models, self._ties)))
        named.append(
            (
                "certainty",
                "Known or unknown",
                _of_each(models, lambda n: certainty_section(models[n])),
            )
        )
        if len(models) > 1:
            compared = (
                joined(
                    element("h3", written(models[0].name), " and ", written(other.name)),
                    *comparison_section(models[0], other, self._ties),
                )
                for other in models[1:]
            )
            named.append(("comparison", "Comparison", compared))
        named += [
            ("training", "Training", _of_each(models, lambda n: _training(models[n]))),
            (
                "groups",
                "Signers, sources, lengths",
                _of_each(models, lambda n: _groups(pairs[n][1])),
            ),
            ("confusion", "Confusion", _of_each(models, lambda n: confusion_section(models[n]))),
            ("best", "Best queries", _of_each(models, lambda n: _cards(pairs[n][1], "best"))),
            ("worst", "Worst queries", _of_each(models, lambda n: _cards(pairs[n][1], "worst"))),
        ]
        if any(video.attention for _, found in pairs for video in found.videos):
            named.append(
                ("attention", "Attended clips", _of_each(models, lambda n: _attended(pairs[n][1])))
            )
        named.append(
            ("facts", "What was evaluated", _of_each(models, lambda n: [_facts(models[n])]))
        )
        write_page(
            self.path,
            f"Evaluation of {', '.join(model.name for model in models)}",
            *(section(key, name, *parts) for key, name, parts in named),
            lead=f"Split {gallery.split}: {len(gallery.video_ids):,} videos of "
            f"{len(gallery.sentences):,} sentences, each asked for and asked with.",
            contents=[(key, name) for key, name, _ in named],
        )
        messages.print(f"wrote {self.path}", markup=False)


def video_facts(data: RetrievalData, video_ids: Sequence[str]) -> list[VideoFacts]:
    """Returns what the index and the stores know of some videos, in their order."""
    indexed = {video.video_id: video for video in data.videos}
    reader = data.reader
    clips = reader.rgb[0].videos if reader.rgb else None
    durations = clips if clips is not None else reader.pose.videos if reader.pose else None
    assert durations is not None, "this is the process that opened the stores"
    return [
        VideoFacts(
            name,
            indexed[name].text,
            indexed[name].other,
            float(durations[name].duration),
            None if clips is None else clips.rows(name).num_rows,
        )
        for name in video_ids
    ]


def _video_ids(model: EvaluatedModel, queries: Sequence[ChosenQuery]) -> list[str]:
    ids = model.scores.gallery.video_ids
    pairs = ((query.video, query.wrong_video) for query in queries)
    return [ids[video] for pair in pairs for video in pair if video is not None]


def _example(
    model: EvaluatedModel,
    loaded: LoadedModel,
    query: ChosenQuery,
    seen: dict[str, SeenVideo],
    device: torch.device,
) -> Example:
    gallery = model.scores.gallery
    # What is found by comparing motions has no tokens to align.
    streams = [stream for stream in model.scores.streams if stream in get_args(Stage)]
    sentence = see_sentence(loaded, gallery.sentences[query.text], device)
    stage = loaded.facts["stage"]
    video = seen[gallery.video_ids[query.video]]
    ordered = (stage, *(stream for stream in streams if stream != stage))
    wrong = None if query.wrong_video is None else seen[gallery.video_ids[query.wrong_video]]
    return Example(
        query,
        sentence.text,
        video,
        alignments(loaded, video, sentence, ordered),
        wrong,
        None if wrong is None else alignments(loaded, wrong, sentence, (stage,))[0],
    )


def _of_each(
    models: Sequence[EvaluatedModel], parts: Callable[[int], Iterable[Content]]
) -> Iterable[Content]:
    """The parts of each model, below its name where there are several."""
    for number, model in enumerate(models):
        if len(models) > 1:
            yield element("h3", written(model.name))
        yield from parts(number)


def _training(model: EvaluatedModel) -> Iterable[Content]:
    if model.folder is None:
        yield element("p", "A checkpoint file has no log of its training.")
        return
    try:
        yield curves_figures(read_curves(RunFolder(model.folder).metrics))
    except OSError as error:
        yield problem(f"The run's log cannot be read: {error.filename}: {error.strerror}")


def _groups(found: Findings) -> Iterable[Content]:
    if not found.breakdowns:
        yield element("p", "The index has no column with a few values, and lengths do not differ.")
    yield from breakdown_figures(found.breakdowns)


def _cards(found: Findings, kind: str) -> Iterable[Content]:
    examples = found.best if kind == "best" else found.worst
    if not found.videos:
        yield element("p", "Shown of the first models only.")
    elif not examples:
        yield element("p", "No query is right." if kind == "best" else "Every query is right.")
    else:
        yield element("p", KEY, class_="quiet")
    for example in examples:
        yield example_card(example, found.pictures)


def _attended(found: Findings) -> Iterable[Content]:
    drawn = [example.video for example in (*found.best[:1], *found.worst[:1])]
    if not drawn:
        yield element("p", "Shown of the first models only.")
        return
    unique = list({video.video_id: video for video in drawn}.values())
    yield from attention_section(found.videos, unique[:ATTENTION_SHOWN])


def _facts(model: EvaluatedModel) -> Markup:
    known = model.facts
    position = known.get("position") or {}
    stores = known["stores"]
    return facts(
        (
            ("Checkpoint", element("code", written(known["checkpoint"]))),
            ("Stage", known["stage"]),
            ("Trained for", f"{position['epoch']} epochs" if position.get("epoch") else None),
            ("Seed", str(known["seed"]) if "seed" in known else None),
            ("Index", element("code", written(known["index"]))),
            *(
                (f"Store {name}", element("code", written(str(store["path"]))))
                for name, store in stores.items()
            ),
            ("Settings (SHA-256)", element("code", known["settings_digest"])),
        )
    )
