"""One ``seds-eval`` command, from its options to the scores."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.markup import escape

from seds_core.console import results, warn
from seds_core.device import choose_device
from seds_core.errors import UsageError
from train.checkpoints.run_folder import RunFolder
from train.evaluation.comparison import compare_with_published, data_set_of
from train.evaluation.load_model import (
    EvaluatedModel,
    LoadedModel,
    load_published_model,
    load_run_model,
)
from train.evaluation.metrics import evaluate_split
from train.evaluation.report import comparison_table, confusion_table, model_table, spread_table
from train.evaluation.request import EvaluationRequest
from train.evaluation.result_files import (
    describe,
    describe_comparison,
    describe_spread,
    write_json,
    write_ranks,
)
from train.precision import use_arithmetic
from train.text.text_encoder import build_tokenizer


def evaluate(request: EvaluationRequest) -> int:
    """Evaluates every model of the request, writes and prints the results, gives the exit code.

    Raises ``UsageError`` for a request that does not fit its files, and ``UnavailableError`` for
    what cannot be had here, such as a model whose scores are no numbers.
    """
    _check(request)
    device = choose_device(request.device)
    models = []
    for name, loaded in _load_all(request, device):
        if request.compare:
            data_set_of(name, loaded.facts)  # an error comes before the work
        models.append(_evaluate_model(name, loaded, request, device))
        _refuse_incomparable(models)
    for folder, model in zip(request.runs, models, strict=False):
        kept = folder / "evaluation" / request.split
        write_json(kept / "scores.json", describe(model, request.ties))
        write_ranks(kept / "ranks.csv", [model])
    if request.ranks is not None:
        write_ranks(request.ranks, models)
    _print(models, request)
    return 0


def _check(request: EvaluationRequest) -> None:
    if bool(request.runs) == bool(request.checkpoint):
        raise UsageError("name what to evaluate either with --run or with --checkpoint")
    if request.runs and request.pipeline:
        raise UsageError("--pipeline is for published checkpoints: a run has its own settings")
    if len(set(request.runs)) < len(request.runs):
        raise UsageError("a run is named twice; its spread would look smaller than it is")


def _load_all(
    request: EvaluationRequest, device: torch.device
) -> Iterator[tuple[str, LoadedModel]]:
    """Name and model of everything that is asked for, one in memory at a time."""
    if request.checkpoint is not None:
        yield str(request.checkpoint), _load_file(request.checkpoint, request, device)
    for folder in request.runs:
        run = RunFolder(folder)
        path = run.best if request.which == "best" else run.last
        yield str(folder), load_run_model(path, request, device)


def _load_file(path: Path, request: EvaluationRequest, device: torch.device) -> LoadedModel:
    if request.pipeline is None:
        return load_run_model(path, request, device)
    return load_published_model(path, request.pipeline, request, device)


def _evaluate_model(
    name: str, loaded: LoadedModel, request: EvaluationRequest, device: torch.device
) -> EvaluatedModel:
    for text in loaded.data.warnings:
        warn(escape(text))
    settings = loaded.settings
    use_arithmetic(settings.arithmetic)
    scores = evaluate_split(
        loaded.model, loaded.data, request.split, build_tokenizer(loaded.text),
        settings=settings, device=device,
        workers=settings.data.workers if request.workers is None else request.workers,
    )  # fmt: skip
    return EvaluatedModel(name, loaded.facts, scores)


def _refuse_incomparable(models: Sequence[EvaluatedModel]) -> None:
    """Raises ``UsageError`` unless the newest model may be averaged with the first."""
    first, newest = models[0], models[-1]
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


def _print(models: Sequence[EvaluatedModel], request: EvaluationRequest) -> None:
    comparison = compare_with_published(models, request.ties) if request.compare else None
    if comparison and comparison.other_size:
        warn(escape(comparison.other_size))
    if request.as_json:
        published = {"published": describe_comparison(comparison)} if comparison else {}
        sys.stdout.write(json.dumps(_as_json(models, request) | published) + "\n")
        return
    for model in models:
        results.print(model_table(model, request.ties))
        if confused := confusion_table(model):
            results.print(confused)
    if len(models) > 1:
        results.print(spread_table(models, request.ties))
    if comparison:
        results.print(comparison_table(comparison))


def _as_json(models: Sequence[EvaluatedModel], request: EvaluationRequest) -> dict[str, Any]:
    several = len(models) > 1
    return {
        "models": [describe(model, request.ties) for model in models],
        "spread": describe_spread(models, request.ties) if several else None,
    }
