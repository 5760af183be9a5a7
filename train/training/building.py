"""From settings and data to a model on its device, with the weights that a run begins with."""

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from seds_core.console import messages, warn
from train.batches import ClipLayout
from train.checkpoints.import_weights import import_tensors, import_weights
from train.model.retrieval_model import RetrievalModel
from train.settings import Stage, TrainSettings
from train.text.clip_weights import clip_tensors
from train.text.text_encoder import build_text_encoder
from train.training.batch_norm import synchronise
from train.training.processes import Processes

CLIP_IMAGE_TRANSFORMER = "visual."
"""What the names of CLIP's image half begin with."""


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
        fill_streams(model, settings)
    if settings.text.frozen:
        for parameter in text.pretrained_parameters():
            parameter.requires_grad_(False)  # noqa: FBT003 - torch's signature
    if settings.optimisation.gradient_checkpointing:
        model.use_gradient_checkpointing()
    if processes.size > 1 and processes.device.type == "cuda":
        synchronise(model)
    return model.to(processes.device)


def fill_streams(model: RetrievalModel, settings: TrainSettings) -> None:
    """Puts CLIP's image transformer into both streams, where the settings ask for it."""
    if settings.streams.initial == "random":
        return
    if settings.text.encoder != "clip" or settings.text.weights == "random":
        warn(
            "the stream transformers start with random weights, because the text encoder does not "
            "have CLIP's; streams.initial: random says that this is meant"
        )
        return
    tensors = clip_tensors(settings.text.weights)
    image_half = {n: t for n, t in tensors.items() if n.startswith(CLIP_IMAGE_TRANSFORMER)}
    report = import_tensors(model, image_half, f"streams.initial '{settings.streams.initial}'")
    if report.misfits:
        warn(f"of the stream transformers, some stay random: {escape(report.summary())}")


def fill_from_files(model: RetrievalModel, paths: Sequence[Path]) -> None:
    """Imports weight files one after the other, and tells what each of them has filled."""
    for path in paths:
        report = import_weights(model, path)
        messages.print(report.summary(), markup=False)
        for line in report.details():
            messages.print(f"  {line}", markup=False)


def set_training_mode(model: RetrievalModel, settings: TrainSettings) -> None:
    """Dropout and batch statistics everywhere but in a text encoder that is left as it is."""
    model.train()
    if settings.text.frozen:
        model.text.eval()
