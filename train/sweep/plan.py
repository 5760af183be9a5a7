"""The file of a sweep, and the runs that it asks for, checked before any of them begins."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from seds_core.command_line import PIPELINE_FILE
from seds_core.errors import UsageError
from seds_core.pipeline_file import Settings, read_section, read_yaml, validated
from train.data.retrieval_data import SplitError, open_data
from train.settings import DECIDES_NOTHING, Count, Stage, TrainSettings
from train.training.preparation import refuse_settings
from train.training.run import LARGEST_SEED

Changes = dict[str, Any]
"""Settings that differ, nested as in the section ``train`` of a pipeline file."""


class SweepError(UsageError):
    """Raised for a sweep that cannot be run as it is written; the message names file and recipe."""


class RecipeSettings(Settings):
    """One recipe: a pipeline with some settings changed. Nothing changed is a recipe too."""

    pipeline: str | None = None
    """Pipeline that it begins from; the sweep's where it is left out."""

    train: Changes | None = None
    """Settings that differ from the pipeline's; of a group, those that are named."""

    init: tuple[Path, ...] = ()
    """Files of weights that its runs begin with."""


class SweepSettings(Settings):
    """The whole file. Relative paths are relative to the working folder."""

    pipelines: Path = PIPELINE_FILE
    """Pipeline file; the project's where it is left out."""

    pipeline: str
    """Pipeline that recipes begin from."""

    stage: Stage = "fusion"
    """Stage of all runs; its stream is what recipes are compared by."""

    seeds: Annotated[tuple[Annotated[int, Field(ge=0, le=LARGEST_SEED)], ...], Field(min_length=1)]
    """Seeds of every recipe."""

    train: Changes | None = None
    """Settings that all recipes change, such as ``data``."""

    recipes: Annotated[dict[str, RecipeSettings], Field(min_length=1)]
    """Name -> recipe. Names are those of folders."""

    baseline: str | None = None
    """Recipe that the others are compared with; the first where it is left out."""

    test_split: str | None = "test"
    """Split that is scored once recipes are selected; ``null``: none."""

    test_recipes: Literal["selected", "every"] = "selected"
    """Recipes that the test split is scored for: the selected one and the baseline, or every one.
    Validation selects in both cases."""

    threads: Count | None = None
    """Threads of a run; ``null`` divides the machine's cores among the jobs of the first start.
    Another number adds in another order, so that it decides the last bits of a result."""


@dataclass(frozen=True)
class PlannedRun:
    """One training of a recipe, with one seed."""

    recipe: str
    seed: int
    settings: TrainSettings
    init: tuple[Path, ...]
    folder: Path

    @property
    def name(self) -> str:
        """Name of its folder."""
        return self.folder.name

    def hits(self, split: str) -> Path:
        """The file that says which queries of a split it answered; there once it is scored."""
        return self.folder / "evaluation" / split / "hits.npz"

    @property
    def is_finished(self) -> bool:
        """Whether it is trained to its end and scored on the validation split."""
        return self.hits(self.settings.data.validation_split).exists()


@dataclass(frozen=True)
class SweepPlan:
    """All runs of a sweep, in the order of the file, each seed of a recipe after the other."""

    title: str
    settings: SweepSettings
    recipes: dict[str, TrainSettings]
    runs: tuple[PlannedRun, ...]

    @property
    def baseline(self) -> str:
        """Name of the recipe that the others are compared with."""
        return self.settings.baseline or next(iter(self.recipes))

    @property
    def validation_split(self) -> str:
        """Name of the split that selects, the same for all recipes."""
        return next(iter(self.recipes.values())).data.validation_split

    def runs_of(self, recipe: str) -> list[PlannedRun]:
        """The runs of a recipe, by seed."""
        return [run for run in self.runs if run.recipe == recipe]

    def pipelines(self) -> bytes:
        """A pipeline file with all settings of every recipe, for ``seds-train --pipelines``."""
        recipes = {
            name: {"train": settings.model_dump(mode="json")}
            for name, settings in self.recipes.items()
        }
        return yaml.safe_dump({"pipelines": recipes}, sort_keys=False).encode()


def read_plan(path: Path, out: Path) -> SweepPlan:
    """Reads a sweep whose runs lie below ``out``; raises ``UsageError`` for whatever is wrong."""
    settings = validated(
        read_yaml(path, f"there is no sweep file {path}"), SweepSettings, str(path)
    )
    _check_names(path, settings)
    recipes = {}
    for name, recipe in settings.recipes.items():
        base = read_section(
            settings.pipelines, recipe.pipeline or settings.pipeline, "train", TrainSettings
        )
        values = merged(merged(base.model_dump(), settings.train or {}), recipe.train or {})
        recipes[name] = validated(values, TrainSettings, f"{path}, recipe '{name}', train")
        refuse_settings(recipes[name], settings.stage)
    runs = tuple(
        PlannedRun(
            name,
            seed,
            recipes[name],
            recipe.init,
            out / "runs" / f"{name}-seed{seed}",
        )
        for name, recipe in settings.recipes.items()
        for seed in settings.seeds
    )
    return SweepPlan(path.stem, settings, recipes, runs)


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns nested settings with some replaced; of a group, only those that are named.

    >>> merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 5}})
    {'a': {'b': 5, 'c': 2}, 'd': 3}
    """
    found = dict(values)
    for name, change in changes.items():
        old = found.get(name)
        if isinstance(old, Mapping) and isinstance(change, Mapping):
            found[name] = merged(old, change)
        else:
            found[name] = change
    return found


def _check_names(path: Path, settings: SweepSettings) -> None:
    for name in settings.recipes:
        if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
            raise SweepError(
                f"{path}: recipe '{name}' must be named by letters, digits, '.', '_' and '-', "
                "because its runs' folders are"
            )
    if len(set(settings.seeds)) < len(settings.seeds):
        raise SweepError(f"{path}: a seed is given twice in {list(settings.seeds)}")
    if settings.baseline not in (None, *settings.recipes):
        raise SweepError(
            f"{path}: the baseline '{settings.baseline}' is none of the recipes "
            f"{', '.join(settings.recipes)}"
        )


def check_data(plan: SweepPlan) -> None:
    """Opens each recipe's index and stores, and compares their splits.

    Raises ``UsageError`` where a recipe cannot be trained, selected or compared: no index, no
    videos in a split, or other validation or test videos than the other recipes have.
    """
    test = plan.settings.test_split
    seen: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    for name, settings in plan.recipes.items():
        data = settings.data
        if data.index is None:
            raise SweepError(f"recipe '{name}' has no index: set data.index under 'train'")
        for weights in plan.settings.recipes[name].init:
            if not weights.exists():
                raise SweepError(f"recipe '{name}' begins with {weights}, which is not there")
        if test in (data.train_split, data.validation_split):
            raise SweepError(
                f"recipe '{name}' trains or selects on '{test}', the test split of the sweep: name "
                "another one, or set test_split: null"
            )
        opened = open_data(
            settings, plan.settings.stage, index=data.index, rgb=data.rgb, pose=data.pose
        )
        opened.split(data.train_split)
        for kind, split in (("validation", data.validation_split), ("test", test)):
            if split is None:
                continue
            try:
                found = [(video.video_id, video.text) for video in opened.split(split)]
            except SplitError as error:
                key = "test_split" if kind == "test" else "data.validation_split under 'train'"
                none = ", or null for none" if kind == "test" else ": it selects the recipe"
                raise SweepError(f"{error}. Name another one as {key}{none}") from None
            first, videos = seen.setdefault(kind, (name, found))
            if (videos, plan.validation_split) != (found, data.validation_split):
                raise SweepError(
                    f"recipes '{first}' and '{name}' have different {kind} videos or sentences, so "
                    "that their scores cannot be compared"
                )


def refuse_changed_recipes(plan: SweepPlan) -> None:
    """Raises :class:`SweepError` where a run that has begun had other settings than it has now.

    A finished run is not trained again: it would stand in the table under settings that it has not
    seen.
    """
    for run in plan.runs:
        path = run.folder / "settings.yaml"
        if not path.exists():
            continue
        begun = yaml.safe_load(path.read_text(encoding="utf-8"))
        now = run.settings.model_dump(mode="json", exclude=DECIDES_NOTHING)
        changes = ["stage"] * (begun["stage"] != plan.settings.stage)
        changes += changed_names(begun["train"], now)
        if changes:
            raise SweepError(
                f"{run.folder} was begun with other settings ({', '.join(changes)}): give the "
                f"changed recipe another name than '{run.recipe}', or the sweep another --out"
            )


def changed_names(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Dotted names of the settings of ``now`` that had another value before.

    What ``before`` lacks, because an earlier version did not know it, is taken as it is now.

    >>> changed_names({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4})
    ['a.c']
    """
    names = []
    for name, value in now.items():
        if isinstance(value, Mapping) and isinstance(before.get(name), Mapping):
            names += [f"{name}.{inner}" for inner in changed_names(before[name], value)]
        elif before.get(name, value) != value:
            names.append(name)
    return names
