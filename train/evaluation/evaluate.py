"""Evaluates trained models: the library call behind ``seds-eval``."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from rich.markup import escape

from seds_core.command_line import PIPELINE_FILE
from seds_core.console import messages, warn
from seds_core.device import choose_device
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section
from seds_core.store.place import StoreLocation
from train.checkpoints.run_folder import RunFolder
from train.data.rgb_stores import rgb_choice
from train.evaluation import Which
from train.evaluation.calibration import MatchCalibration, fit_both_ways
from train.evaluation.load_model import (
    EvaluatedModel,
    LoadedModel,
    load_published_model,
    load_run_model,
)
from train.evaluation.metrics import SplitScores
from train.evaluation.published import data_set_of
from train.evaluation.ranks import Direction
from train.evaluation.scoring import evaluate_split
from train.evaluation.takes import beside_takes
from train.precision import use_arithmetic
from train.settings import TrainSettings
from train.text.text_encoder import build_tokenizer

Look: TypeAlias = Callable[[EvaluatedModel, LoadedModel, torch.device], None]
"""Is called with a model and its scores while the model is in memory."""


def evaluate(
    runs: Sequence[Path] = (),
    *,
    checkpoint: Path | None = None,
    pipeline: str | None = None,
    pipelines: Path = PIPELINE_FILE,
    split: str = "test",
    index: Path | None = None,
    rgb: Sequence[StoreLocation] = (),
    mix: Sequence[float] = (),
    pose: StoreLocation | None = None,
    which: Which = "best",
    compare: Literal["published"] | None = None,
    device: str = "auto",
    workers: int | None = None,
    normalise: bool = False,
    calibrate: bool = False,
    takes: bool = False,
    look: Look | None = None,
) -> list[EvaluatedModel]:
    """Scores every text of a split against every video, with each of several models.

    The models are the checkpoints ``which`` of ``runs``, or one ``checkpoint`` file: a run's, or a
    published one, which holds no settings and takes those of ``pipeline`` in the file
    ``pipelines``. ``index``, ``rgb`` (several are mixed by the weights ``mix``), ``pose`` and
    ``workers`` replace what the settings say. With ``compare``, a model of a data set without
    published scores is refused before the work. ``normalise`` also scores the split with the
    training split, so that hubs can be told and taken off; ``calibrate`` fits probabilities to the
    validation split; ``takes`` adds the stream of :mod:`train.evaluation.takes`. ``look`` sees each
    model before the next one is loaded.

    ``evaluate([Path("runs/demo")])[0].scores.metrics("fusion", "text_to_video").recall[1]`` is R@1
    in percent. Raises ``UsageError`` for what does not fit together, ``UnavailableError`` for what
    cannot be had here.
    """
    _refuse_options(runs, checkpoint, pipeline)
    on = choose_device(device)
    # Wrong options are told before anything is loaded.
    stores = rgb_choice(rgb, mix)
    models: list[EvaluatedModel] = []
    load: Callable[..., LoadedModel]
    # One model in memory at a time.
    for source in [checkpoint] if checkpoint else runs:
        if checkpoint and pipeline:
            settings = read_section(pipelines, pipeline, "train", TrainSettings)
            load = partial(load_published_model, checkpoint, settings)
        else:
            load = partial(load_run_model, checkpoint or RunFolder(source).checkpoint(which))
        loaded = load(on, index=index, rgb=stores, pose=pose)
        if compare:
            data_set_of(str(source), loaded.facts)
        asked = _evaluated(
            str(source), loaded, split, on, workers, normalise=normalise, calibrate=calibrate,
            takes=takes, folder=None if checkpoint else source,
        )  # fmt: skip
        models.append(asked)
        _refuse_incomparable(models[0], models[-1])
        if look is not None:
            look(models[-1], loaded, on)
        _end_cache_use(loaded, source)
    return models


def _end_cache_use(loaded: LoadedModel, source: Path) -> None:
    """Says how much of the rows in buckets came from the local cache."""
    if cache := loaded.data.reader.cache:
        messages.print(f"{source}: {cache.counts()}", markup=False)
        cache.close()


def _refuse_options(runs: Sequence[Path], checkpoint: Path | None, pipeline: str | None) -> None:
    """Raises ``UsageError`` for options of which one makes no sense beside another."""
    if bool(runs) == bool(checkpoint):
        raise UsageError("name what to evaluate either with --run or with --checkpoint")
    if runs and pipeline:
        raise UsageError("--pipeline is for published checkpoints: a run has its own settings")
    if len(set(runs)) < len(runs):
        raise UsageError("a run is named twice; its spread would look smaller than it is")


def _evaluated(
    name: str,
    loaded: LoadedModel,
    split: str,
    device: torch.device,
    workers: int | None,
    *,
    normalise: bool,
    calibrate: bool,
    takes: bool,
    folder: Path | None,
) -> EvaluatedModel:
    for text in loaded.data.warnings:
        warn(escape(text))
    of_run = loaded.settings.data
    for is_asked, option, fitted_to in (
        (normalise, "--normalise", of_run.train_split),
        (calibrate, "--calibrate", of_run.validation_split),
        (takes, "--takes", of_run.train_split),
    ):
        if is_asked and fitted_to == split:
            raise UsageError(
                f"{option} fits to the split '{split}', and what is fitted to a split flatters it: "
                "evaluate another one with --split"
            )
    bank = of_run.train_split if normalise else None
    scores = _score(loaded, split, device, workers, bank)
    calibrations: dict[Direction, MatchCalibration] = {}
    if calibrate:
        validation = _score(loaded, of_run.validation_split, device, workers)
        calibrations = fit_both_ways(validation, loaded.facts["stage"])
        if not calibrations:
            warn(
                f"no probabilities: the split '{escape(of_run.validation_split)}' is too small, or "
                "right answers score no higher than wrong ones there"
            )
    if takes:
        scores = beside_takes(scores, loaded.data, of_run.train_split)
    return EvaluatedModel(name, loaded.facts, scores, folder, calibrations)


def _score(
    loaded: LoadedModel,
    split: str,
    device: torch.device,
    workers: int | None,
    bank_split: str | None = None,
) -> SplitScores:
    settings = loaded.settings
    use_arithmetic(settings.arithmetic)
    return evaluate_split(
        loaded.model,
        loaded.data,
        split,
        build_tokenizer(loaded.text),
        settings=settings,
        device=device,
        workers=settings.data.workers if workers is None else workers,
        bank_split=bank_split,
    )


def _refuse_incomparable(first: EvaluatedModel, newest: EvaluatedModel) -> None:
    """Raises ``UsageError`` unless the newest model may be averaged with the first."""
    if first.scores.streams != newest.scores.streams:
        raise UsageError(
            f"runs of different stages have no mean: the streams of {first.name} are "
            f"{first.scores.streams}, those of {newest.name} {newest.scores.streams}"
        )
    galleries = first.scores.gallery, newest.scores.gallery
    if len({(gallery.video_ids, gallery.sentences) for gallery in galleries}) > 1:
        raise UsageError(
            f"{first.name} and {newest.name} search in different videos or sentences, so their "
            "scores have no mean: name the same data with --index, --rgb and --pose"
        )
    if first.facts["settings_digest"] != newest.facts["settings_digest"]:
        warn(escape(f"the settings of {first.name} and {newest.name} differ, not only the seed"))
