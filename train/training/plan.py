"""The table of what is about to be trained, printed before anything is."""

from rich.markup import escape
from rich.table import Table
from torch import nn

from train.data.retrieval_data import SplitVideos
from train.optimisation.optimiser import RATE_OF_PART, part_of
from train.settings import LearningRates, TrainSettings
from train.training.preparation import PreparedRun


def plan_table(run: PreparedRun) -> Table:
    """Returns videos, steps, arithmetic, and each part's parameters with their learning rate."""
    settings, length, processes = run.settings.optimisation, run.length, run.processes
    size = min(settings.batch_size, len(run.training))
    size -= size % processes.size
    batch = f"{size:,} videos"
    if processes.size > 1:
        batch += f", {size // processes.size:,} in each of {processes.size} processes"
    if settings.micro_batch is not None:
        batch += f", {settings.micro_batch:,} encoded at once"
    rows = {
        "training videos": _split_text(run.settings.data.train_split, run.training),
        "validation videos": _split_text(run.settings.data.validation_split, run.validation),
        "steps": f"{length.steps:,}: {length.epochs:,} epochs of {length.steps_per_epoch:,}",
        "batch": batch,
        "device": f"{processes.device}, {arithmetic_text(run.settings)}",
        "optimiser": f"{settings.optimiser}, seed {run.identity.seed}",
        **parameter_rows(run.model, settings.learning_rates),
    }
    table = Table(title=f"Stage {run.identity.stage}", title_justify="left", show_header=False)
    for name, text in rows.items():
        table.add_row(name, escape(text))
    return table


def parameter_rows(model: nn.Module, rates: LearningRates) -> dict[str, str]:
    """Returns part of the model -> how many parameters it has and how fast they learn, in words."""
    trained: dict[str, int] = {}
    frozen: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = part_of(name)
        counts, others = (trained, frozen) if parameter.requires_grad else (frozen, trained)
        counts[part] = counts.get(part, 0) + parameter.numel()
        others.setdefault(part, 0)
    rows = {}
    for part in trained:
        rate = getattr(rates, RATE_OF_PART[part])
        texts = [f"{trained[part]:,} parameters, learning rate {rate:g}"] * (trained[part] > 0)
        texts += [f"{frozen[part]:,} frozen"] * (frozen[part] > 0)
        rows[part] = ", ".join(texts)
    total = sum(trained.values()) + sum(frozen.values())
    return rows | {"in all": f"{total:,} parameters"}


def arithmetic_text(settings: TrainSettings) -> str:
    """Returns the arithmetic of training and validation: ``bfloat16, validation in float32``."""
    training, evaluation = settings.optimisation.precision, settings.evaluation.precision
    words: list[str] = [training]
    words += [f"validation in {evaluation}"] * (evaluation != training)
    words += ["float32 as TF32"] * settings.arithmetic.tf32
    words += ["deterministic"] * settings.arithmetic.deterministic
    return ", ".join(words)


def _split_text(name: str, videos: SplitVideos) -> str:
    if not videos:
        return f"none in '{name}'"
    sentences = {video.text for video in videos}
    return f"{len(videos):,} of {len(sentences):,} sentences ('{name}')"
