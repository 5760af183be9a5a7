"""A trained model as its run left it, and the stores that it is evaluated on."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import torch
from rich.markup import escape

from seds_core.console import messages, warn
from seds_core.errors import UsageError
from seds_core.pipeline_file import validated
from seds_core.store.layout import StoreKind
from seds_core.store.place import StoreLocation
from seds_core.store.provenance import Provenance
from train.batches import ClipLayout
from train.checkpoints.import_weights import import_weights
from train.checkpoints.run_checkpoint import RunCheckpoint, load_weights, read_checkpoint
from train.data.retrieval_data import RetrievalData, open_data
from train.data.rgb_stores import RgbChoice
from train.evaluation.calibration import MatchCalibration
from train.evaluation.metrics import SplitScores
from train.evaluation.ranks import Direction
from train.model.retrieval_model import RetrievalModel
from train.precision import changed_arithmetic
from train.settings import DECIDES_NOTHING, Stage, TextSettings, TrainSettings
from train.text.kept_encoder import FOLDER_NAME, as_kept
from train.text.text_encoder import build_text_encoder


@dataclass(frozen=True)
class EvaluatedModel:
    """One row of a comparison: a run's checkpoint, or a published one."""

    name: str
    facts: dict[str, Any]
    """Where the weights come from, stage, seed, settings: plain values."""
    scores: SplitScores
    folder: Path | None = None
    """The run's folder, where its results are kept; ``None`` for a checkpoint file."""
    calibrations: dict[Direction, MatchCalibration] = field(default_factory=dict)
    """Of the stage's stream, fitted to the validation split; those that were asked for and could
    be fitted."""


class OtherStoresError(UsageError):
    """Stores that were made otherwise than those a model was trained on."""


def refuse_other_stores(
    trained_on: dict[str, Any], found: dict[str, Any], checkpoint: Path
) -> None:
    """Compares the stores of a training run with others, except for which videos they hold.

    Both map ``rgb`` and ``pose`` (``rgb_1``, ``rgb_2`` where features are mixed) to a store's path
    and provenance, and its weight in a mix; other keys are passed over. Raises
    :class:`OtherStoresError`, naming every setting that differs.
    """
    # Where several RGB stores were mixed, as many must be mixed now, in the same order.
    names, own_names = _names(trained_on), _names(found)
    if names != own_names:
        raise OtherStoresError(
            f"{checkpoint} was trained on stores of kind {' and '.join(names)}; "
            f"evaluate it on the same kinds, found {' and '.join(own_names)}"
        )
    for name in names:
        ours, theirs = found[name], trained_on[name]
        differences = Provenance.from_attributes(ours).differences(
            Provenance.from_attributes(theirs)
        )
        if ours.get("mix") != theirs.get("mix"):
            differences.append(f"mix: {ours.get('mix')} / {theirs.get('mix')}")
        if differences:
            raise OtherStoresError(
                f"the {name} store {found[name]['path']} was made otherwise than the one that "
                f"{checkpoint} was trained on (this store / trained on): {'; '.join(differences)}. "
                "Extract with the settings of the training data, and mix with the same weights"
            )


def _names(provenance: dict[str, Any]) -> list[str]:
    """Names of the stores: kinds, numbered where there are several of one."""
    kinds = get_args(StoreKind)
    return [n for kind in kinds for n in sorted(provenance) if n.split("_")[0] == kind]


PUBLISHED_STAGE: Stage = "fusion"
"""Published checkpoints hold all three streams."""


@dataclass(frozen=True)
class RunModel:
    """The model of a run's checkpoint, on the device, without any data."""

    model: RetrievalModel
    settings: TrainSettings
    text: TextSettings
    """Where the tokenizer is found: in the run, where it keeps one."""
    stage: Stage
    layout: ClipLayout
    trained_on: dict[str, Any]
    """Path and provenance of the stores of the training run, by kind."""
    checkpoint: RunCheckpoint


@dataclass(frozen=True)
class LoadedModel:
    """A model with its weights, on the device, and what it is evaluated on."""

    model: RetrievalModel
    settings: TrainSettings
    text: TextSettings
    """Where the tokenizer is found: in the run, where it keeps one."""
    data: RetrievalData
    facts: dict[str, Any]
    """For the report: plain values."""


def load_run_model(
    path: Path,
    device: torch.device,
    *,
    index: Path | None = None,
    rgb: RgbChoice | None = None,
    pose: StoreLocation | None = None,
) -> LoadedModel:
    """Loads the model of a run's ``best.pt`` or ``last.pt``, with the settings inside it.

    ``index``, ``rgb`` and ``pose`` replace those of the settings. Raises ``UsageError`` for another
    file, and for stores made otherwise than those of the run.
    """
    run = load_run(path, device)
    # The stores must be made like those of training; which videos they hold may differ.
    data = _open_data(run.settings, run.stage, index, rgb, pose)
    refuse_other_stores(run.trained_on, data.provenance, path)
    if data.layout != run.layout:
        raise UsageError(
            f"{path} is made for the clips {asdict(run.layout)}, "
            f"but the stores have {asdict(data.layout)}"
        )
    facts = _facts(path, run.stage, run.settings, data) | {
        "seed": run.checkpoint.seed,
        "position": run.checkpoint.position,
        "best_validation_score": run.checkpoint.best_score,
    }
    return LoadedModel(run.model, run.settings, run.text, data, facts)


def load_run(path: Path, device: torch.device) -> RunModel:
    """Loads the model of a run's ``best.pt`` or ``last.pt``; its stores may be gone.

    Raises ``UsageError`` for another file.
    """
    checkpoint = read_checkpoint(path)
    settings = validated(checkpoint.settings, TrainSettings, f"the settings of {path}")
    if otherwise := changed_arithmetic(checkpoint.settings, settings, device):
        warn(escape(f"while it was trained, {path} {otherwise}"))
    # A run that keeps its text encoder needs no other folder; old runs look for it by its name.
    text = as_kept(settings.text, path.with_name(FOLDER_NAME))
    stage, layout = cast("Stage", checkpoint.stage), ClipLayout(**checkpoint.layout)
    model = _build(settings.model_copy(update={"text": text}), stage, layout)
    load_weights(model, checkpoint, path)
    return RunModel(
        model.to(device), settings, text, stage, layout, checkpoint.provenance, checkpoint
    )


def load_published_model(
    path: Path,
    settings: TrainSettings,
    device: torch.device,
    *,
    index: Path | None = None,
    rgb: RgbChoice | None = None,
    pose: StoreLocation | None = None,
) -> LoadedModel:
    """Loads the model of a weights file, which holds no settings: it takes those of a pipeline.

    Raises ``UsageError`` for a file that lacks tensors of the model: the rest would be random.
    """
    data = _open_data(settings, PUBLISHED_STAGE, index, rgb, pose)
    model = _build(settings, PUBLISHED_STAGE, data.layout)
    report = import_weights(model, path)
    # The user sees which tensors were found, renamed or left out.
    messages.print(escape("\n".join([report.summary(), *report.details()])))
    if report.missing:
        raise UsageError(
            f"{path} ({report.layout}) cannot be evaluated: it lacks {len(report.missing)} tensors "
            f"of the model, such as {report.missing[0]}"
        )
    facts = _facts(path, PUBLISHED_STAGE, settings, data) | {"layout": report.layout}
    return LoadedModel(model.to(device), settings, settings.text, data, facts)


def settings_digest(settings: TrainSettings) -> str:
    """SHA-256 of all settings but those that decide nothing: where data lies, how it is read."""
    values = settings.model_dump(mode="json", exclude=DECIDES_NOTHING)
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _open_data(
    settings: TrainSettings,
    stage: Stage,
    index: Path | None,
    rgb: RgbChoice | None,
    pose: StoreLocation | None,
) -> RetrievalData:
    index = index or settings.data.index
    if index is None:
        raise UsageError("no index is named: give --index FILE, or set data.index in the pipeline")
    return open_data(
        settings,
        stage,
        index=index,
        rgb=rgb or settings.data.rgb,
        pose=pose or settings.data.pose,
    )


def _build(settings: TrainSettings, stage: Stage, layout: ClipLayout) -> RetrievalModel:
    # The checkpoint brings all weights, those of the text encoder too.
    text = build_text_encoder(settings.text, settings.embedding_dim, with_weights=False)
    return RetrievalModel(settings, stage, layout, text)


def _facts(
    path: Path, stage: Stage, settings: TrainSettings, data: RetrievalData
) -> dict[str, Any]:
    return {
        "checkpoint": str(path),
        "stage": stage,
        "index": str(data.index),
        "settings_digest": settings_digest(settings),
        "settings": settings.model_dump(mode="json"),
        "stores": data.provenance,
    }
