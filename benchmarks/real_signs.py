"""What the model is worth on a few takes of each sign, beside what needs no training.

    python benchmarks/real_signs.py DATA --work WORK --select
    python benchmarks/real_signs.py DATA --work WORK [--recipes before published] [--seeds 1 2 3]

DATA holds ``asl78`` and ``karsl70``: ``index.csv`` (video_id, split, text, path, and for asl78
source) with its videos, and ``keypoints/VIDEO_ID.pkl`` in the published format. Recipes are the
pipelines of the YAML file that have a section ``train``.

A recipe says by its section ``extract`` which frames its RGB features are made of; recipes that say
the same share a store. Keypoints are the same for all.

Nothing is chosen by the test split. ``--select`` compares recipes without it: of each sign with
several training sources one whole source is held out as the split ``dev``, another one in each
fold. Otherwise recipes learn from all of the training split, and the test split is asked. In both
the last epoch counts, whose number is the recipe's. karsl70 has one training take a sign and
nothing to hold out, so its recipes are those that asl78's folds have chosen.

``--other-words`` gives every sign a name that the text encoder tells apart from all others, which
shows what the signs' own names cost. ``--distractors N`` asks asl78's test clips once more among N
clips of ``tid``, a dictionary of Turkish signs. What is in WORK already is not computed again;
tables are printed and kept there.
"""

import argparse
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from sign_baselines import BY_TIME_WARPING, SignTask
from sign_distractors import Distractors, JoinedStores, chosen_distractors, scores_among
from sign_rows import (
    Row,
    check_same_queries,
    difference_lines,
    fold_lines,
    hands_lines,
    score_lines,
    trained_rows,
    untrained_rows,
    untrained_scores,
)
from sign_words import renamed

from seds_core.dataset_index import IndexedVideo, read_index, write_index
from seds_core.pipeline_file import read_yaml
from seds_core.store.reader import StoreReader
from train.evaluation.evaluate import evaluate
from train.evaluation.load_model import EvaluatedModel, LoadedModel
from train.evaluation.metrics import SplitScores
from train.evaluation.takes import WITH_TAKES

RECIPES = Path(__file__).with_suffix(".yaml")
COMPARED_WITH = ("before", "published")
"""What other recipes are compared with, where they are trained as well."""

TASKS = ("asl78", "karsl70")
NOTHING_TO_HOLD_OUT = (
    "No sign has two training sources, so that none can be held out to choose a recipe by: take "
    "what another task's folds have chosen."
)


@dataclass(frozen=True)
class Trial:
    """Clips to learn from, and others to find: an index, and the split of it that is asked."""

    title: str
    index: Path
    asked: str
    folder: Path
    """Of the trial's runs."""
    stores: Path
    """The folder of the clips' stores."""

    def clips(self, split: str) -> list[IndexedVideo]:
        """Those of a split."""
        return [video for video in read_index(self.index) if video.split == split]

    def task(self, recipes: "Recipes") -> SignTask:
        """The same for what needs no training; its RGB features are those of the first recipe.

        A clip that shows no hand may have no features, and teaches nothing then.
        """
        rgb = StoreReader(recipes.rgb_store(recipes.names[0], self.stores))
        pose = StoreReader(pose_store(self.stores))
        learned = [video for video in self.clips("train") if video.video_id in rgb.videos]
        return SignTask(learned, self.clips(self.asked), rgb, pose)


@dataclass(frozen=True)
class Recipes:
    """Pipelines of a file that are trained, each with every seed."""

    file: Path
    names: tuple[str, ...]
    seeds: tuple[int, ...]
    extracts: dict[str, Any]
    """The section ``extract`` of every pipeline of the file."""

    @classmethod
    def read(cls, file: Path, names: Sequence[str] | None, seeds: Sequence[int]) -> "Recipes":
        """All pipelines of the file that have a section ``train``, where none is named."""
        values = read_yaml(file, f"there is no file of recipes {file}")["pipelines"]
        return cls(
            file,
            tuple(names or (name for name in values if "train" in values[name])),
            tuple(seeds),
            {name: values[name].get("extract") for name in values},
        )

    def rgb_store(self, recipe: str, folder: Path) -> Path:
        """The store of a recipe's features: it is called after the first recipe that says so."""
        extract = self.extracts[recipe]
        first = next(name for name, other in self.extracts.items() if other == extract)
        return folder / f"rgb-{first}.zarr"


def pose_store(folder: Path) -> Path:
    """The store of all recipes' keypoints."""
    return folder / "pose.zarr"


def main() -> None:
    """Print and keep the tables of each task."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--pipelines", type=Path, default=RECIPES, help="File of the recipes.")
    parser.add_argument("--recipes", nargs="+", help="All of the file where none is named.")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--select", action="store_true", help="Ask held-out training sources.")
    parser.add_argument("--folds", type=int, default=2, help="Of --select.")
    parser.add_argument("--other-words", action="store_true", help="Rename the signs.")
    parser.add_argument("--distractors", type=int, default=0, help="Clips of tid beside asl78's.")
    options = parser.parse_args()
    for name in [*options.tasks, *["tid"] * bool(options.distractors)]:
        if not (options.data / name / "index.csv").exists():
            sys.exit(
                f"There is no {options.data / name / 'index.csv'}. Nothing was run: this needs "
                "recordings of real signs, which their licences let nobody pass on."
            )
    recipes = Recipes.read(options.pipelines, options.recipes, options.seeds)
    for name in options.tasks:
        lines = tables_of(name, recipes, options)
        report = "dev.md" if options.select else "words.md" if options.other_words else "test.md"
        (options.work / name / report).write_text("\n".join(lines) + "\n")
        print("\n".join(lines), flush=True)


def tables_of(name: str, recipes: Recipes, options: argparse.Namespace) -> list[str]:
    """The tables of a task's test split, or of its folds."""
    index, work = options.data / name / "index.csv", options.work / name
    keypoints = "import", "published-keypoints", index.parent / "keypoints"
    extract(recipes, recipes.names[0], index, pose_store(work), *keypoints)
    extract_rgb(recipes, index, work)
    if options.select:
        videos, folds, lines = read_index(index), [], list[str]()
        for fold in range(options.folds):
            split = fold_of(videos, fold)
            if all(video.split == "train" for video in split):
                return [f"{name}: {NOTHING_TO_HOLD_OUT}"]
            title = f"{name}, fold {fold + 1}"
            trial = Trial(title, work / f"fold-{fold}.csv", "dev", work / f"fold-{fold}", work)
            write_index(trial.index, split)
            found, of_fold = ask(trial, recipes)
            folds.append(found)
            lines += of_fold
        return [*lines, *fold_lines(folds)]
    trial = Trial(name, index, "test", work / "test", work)
    if options.other_words:
        trial = Trial(f"{name}, other words", work / "words.csv", "test", work / "words", work)
        write_index(trial.index, renamed(read_index(index)))
    lines = ask(trial, recipes)[1]
    if all(video.split == "train" for video in fold_of(read_index(index), 0)):
        lines.append(NOTHING_TO_HOLD_OUT)
    if options.distractors and name == "asl78":
        dictionary = options.data / "tid" / "index.csv"
        distractors = made(recipes, dictionary, trial, work / "distractors", options.distractors)
        lines += ask(trial, recipes, distractors)[1]
    return lines


def fold_of(videos: Sequence[IndexedVideo], fold: int) -> list[IndexedVideo]:
    """The training clips; one whole source of each sign that has several is the split ``dev``.

    Each fold holds out the next source of a sign, from the one of the fewest clips on, and begins
    again after the last one.
    """
    learned = [video for video in videos if video.split == "train"]
    sources: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for video in learned:
        sources[video.text][video.other.get("source", "")] += 1
    held_out = set()
    for sign, counts in sources.items():
        in_order = sorted((count, source) for source, count in counts.items())
        if len(in_order) > 1:
            held_out.add((sign, in_order[fold % len(in_order)][1]))
    return [
        replace(video, split="dev")
        if (video.text, video.other.get("source", "")) in held_out
        else video
        for video in learned
    ]


def ask(
    trial: Trial, recipes: Recipes, distractors: Distractors | None = None
) -> tuple[dict[str, Row], list[str]]:
    """Trains the recipes, asks all and what needs no training; returns recipe -> row, and lines.

    Beside ``distractors`` the same clips and words are asked for among more of both.
    """
    task, num_asked = trial.task(recipes), len(trial.clips(trial.asked))
    title = f"{trial.title}: {len(task.train)} clips learned, {num_asked} asked for"
    if distractors:
        others = read_index(distractors.index)
        title += f" among {len(others)} of another language"
        of_others = recipes.rgb_store(recipes.names[0], distractors.stores)
        rgb = JoinedStores((task.rgb, StoreReader(of_others)))
        pose = JoinedStores((task.pose, StoreReader(pose_store(distractors.stores))))
        task = SignTask(task.train, [*task.test, *others], rgb, pose)
    scores = untrained_scores(task)
    untrained = untrained_rows(scores, num_asked)
    # The other language's words have no takes, so that the sum would only tell the languages apart.
    takes = None if distractors else scores[BY_TIME_WARPING]
    trained = {
        recipe: trained_rows(
            recipe, scores_of(trial, recipe, recipes, distractors), num_asked, takes
        )
        for recipe in recipes.names
    }
    rows = [*untrained, *(row for of_recipe in trained.values() for row in of_recipe)]
    check_same_queries(rows)
    of_stage = {recipe: of_recipe[0] for recipe, of_recipe in trained.items()}
    compared = of_stage | {row.name: row for row in rows if row.stream == WITH_TAKES}
    lines = [
        f"## {title}",
        "",
        *score_lines(rows),
        *difference_lines(compared, untrained, COMPARED_WITH),
    ]
    if distractors is None:
        lines += hands_lines([*untrained, *of_stage.values()], task.frames_with_a_hand())
    return of_stage, lines


def scores_of(
    trial: Trial, recipe: str, recipes: Recipes, distractors: Distractors | None
) -> list[SplitScores]:
    """Trains a recipe with every seed; returns the scores of each run's last epoch."""
    runs = [trained(trial, recipe, seed, recipes) for seed in recipes.seeds]
    if distractors is None:
        models = evaluate(runs, split=trial.asked, which="last", workers=0)
        return [model.scores for model in models]
    found: list[SplitScores] = []

    def look(_: EvaluatedModel, loaded: LoadedModel, device: torch.device) -> None:
        rgb, pose = recipes.rgb_store(recipe, distractors.stores), pose_store(distractors.stores)
        found.append(scores_among(distractors.index, rgb, pose, loaded, trial.asked, device))

    evaluate(runs, split=trial.asked, which="last", workers=0, look=look)
    return found


def trained(trial: Trial, recipe: str, seed: int, recipes: Recipes) -> Path:
    """Trains a run, or goes on with it; returns its folder."""
    run = trial.folder / f"{recipe}-seed{seed}"
    call(
        "seds-train", "--stage", "fusion", "--pipelines", recipes.file, "--pipeline", recipe,
        "--index", trial.index, "--rgb", recipes.rgb_store(recipe, trial.stores),
        "--pose", pose_store(trial.stores), "--seed", seed, "--runs", run.parent,
        "--name", run.name, *["--resume"] * (run / "last.pt").exists(),
    )  # fmt: skip
    return run


def extract_rgb(recipes: Recipes, index: Path, folder: Path) -> None:
    """Extracts what the recipes' stores of features do not hold yet."""
    of_recipes = {recipes.rgb_store(recipe, folder): recipe for recipe in recipes.names}
    for store, recipe in of_recipes.items():
        drops_frames = recipes.extracts[recipe]["rgb"].get("frames") == "hands"
        pose = ["--pose", pose_store(folder)] * drops_frames
        extract(recipes, recipe, index, store, "rgb", *pose)


def extract(recipes: Recipes, recipe: str, index: Path, store: Path, *what: object) -> None:
    """Extracts or imports what a store does not hold yet; a clip that cannot be used is told of."""
    settings = "--pipelines", recipes.file, "--pipeline", recipe
    call("seds-extract", *what, "--index", index, "--out", store, *settings, allowed=(0, 3))


def made(recipes: Recipes, dictionary: Path, trial: Trial, folder: Path, limit: int) -> Distractors:
    """Extracts clips of a dictionary, and lists those that could be read."""
    found, index = Distractors(folder / "index.csv", folder), folder / "chosen.csv"
    videos = chosen_distractors(read_index(dictionary), trial.clips(trial.asked), limit)
    write_index(index, videos)
    extract(recipes, recipes.names[0], index, pose_store(folder), "pose")
    extract_rgb(recipes, index, folder)
    stores = {recipes.rgb_store(recipe, folder) for recipe in recipes.names} | {pose_store(folder)}
    held = [StoreReader(store).videos for store in stores]
    write_index(found.index, [v for v in videos if all(v.video_id in some for some in held)])
    return found


def call(command: str, *words: object, allowed: Sequence[int] = (0,)) -> None:
    """Runs one of the project's commands, those that were installed with this Python."""
    program = Path(sys.executable).with_name(command)
    # What is printed here are the tables.
    done = subprocess.run([program, *map(str, words)], check=False, stdout=sys.stderr)
    if done.returncode not in allowed:
        sys.exit(f"{command} {words[0]} ended with {done.returncode}")


if __name__ == "__main__":
    main()
