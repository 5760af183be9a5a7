"""From settings and data to a model on its device, with the weights that a run begins with."""

from collections.abc import Sequence
from pathlib import Path

from seds_core.console import messages
from train.batches import ClipLayout
from train.checkpoints.import_report import ImportReport
from train.checkpoints.import_weights import import_weights
from train.checkpoints.stream_start import start_streams
from train.model.retrieval_model import RetrievalModel
from train.settings import Stage, TrainSettings
from train.text.text_encoder import build_text_encoder
from train.training.batch_norm import synchronise
from train.training.processes import Processes


def build_model(
    settings: TrainSettings,
    stage: Stage,
    layout: ClipLayout,
    processes: Processes,
    *,
    with_weights: bool,
) -> RetrievalModel:
    """The model of a stage, ready to be trained; the same in all processes.

    ``with_weights=False`` leaves random numbers in it, for weights that come from a checkpoint.
    """
    text = build_text_encoder(settings.text, settings.embedding_dim, with_weights=with_weights)
    model = RetrievalModel(settings, stage, layout, text)
    if with_weights:
        report = start_streams(model, settings.streams, settings.text)
        if report is not None:
            messages.print(report.summary(), markup=False)
    if settings.text.frozen:
        for parameter in text.pretrained_parameters():
            parameter.requires_grad_(False)  # noqa: FBT003 - torch's signature
    if settings.optimisation.gradient_checkpointing:
        model.use_gradient_checkpointing()
    if processes.size > 1 and processes.device.type == "cuda":
        synchronise(model)
    return model.to(processes.device)


def fill_from_files(model: RetrievalModel, paths: Sequence[Path]) -> list[ImportReport]:
    """Imports weight files one after the other, and gives what each of them has filled."""
    return [import_weights(model, path) for path in paths]


def tell_imports(reports: Sequence[ImportReport]) -> None:
    """Prints what an import did."""
    for report in reports:
        messages.print(report.summary(), markup=False)
        for line in report.details():
            messages.print(f"  {line}", markup=False)


def bring_all_pretrained(reports: Sequence[ImportReport], settings: TrainSettings) -> bool:
    """Whether imports together filled every tensor that the settings' own weights would fill.

    These are the text encoder's and, where they begin as CLIP's, the streams'.
    """
    if not reports:
        return False
    parts = ["text."]
    if settings.text.encoder == "clip" and settings.streams.initial == "clip":
        parts += ["pose_stream.", "rgb_stream."]
    lacking = set.intersection(*(set(report.missing) for report in reports))
    return not any(name.startswith(tuple(parts)) for name in lacking)


def set_training_mode(model: RetrievalModel, settings: TrainSettings) -> None:
    """Dropout and batch statistics everywhere but in a text encoder that is left as it is."""
    model.train()
    if settings.text.frozen:
        model.text.eval()
