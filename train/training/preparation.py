"""Everything that a run is made of before its first step, and the table that shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table
from torch import nn

from seds_core.console import messages, warn
from seds_core.errors import UsageError
from train.batches import ClipLayout
from train.checkpoints.import_weights import ImportReport, import_weights, start_streams
from train.checkpoints.run_folder import RunFolder, RunIdentity, TrainingVideos
from train.data.loading import TrainingBatches
from train.data.retrieval_data import RetrievalData, SplitError, SplitVideos, open_data
from train.data.sampler import EpochBatches
from train.model.normalisation import synchronise
from train.model.retrieval_model import RetrievalModel
from train.optimisation.optimiser import RATE_OF_PART, build_optimiser, part_of
from train.precision import loss_scaler
from train.processes import Processes
from train.random_states import seed_all
from train.settings import LearningRates, Stage, TrainSettings
from train.text.kept_encoder import as_kept
from train.text.text_encoder import (
    TokenisedSentences,
    Tokenizer,
    as_tokens,
    build_text_encoder,
    build_tokenizer,
)
from train.training.gradients import GradientPass
from train.training.observers import RunLength
from train.training.step import TrainingStep


@dataclass(frozen=True)
class PreparedRun:
    """The parts of a run."""

    identity: RunIdentity
    processes: Processes
    data: RetrievalData
    training: SplitVideos
    validation: SplitVideos
    """Empty where the index has none; the newest epoch is the best, then."""
    tokenizer: Tokenizer
    batches: TrainingBatches
    length: RunLength
    step: TrainingStep

    @property
    def settings(self) -> TrainSettings:
        """The resolved settings."""
        return self.identity.settings

    @property
    def model(self) -> RetrievalModel:
        """The model that is trained."""
        return self.step.gradient_pass.model


def prepare(
    stage: Stage,
    settings: TrainSettings,
    seed: int,
    processes: Processes,
    *,
    init: Sequence[Path] = (),
    resumed: RunFolder | None = None,
) -> PreparedRun:
    """Opens data and builds the model; all processes get the same one.

    ``init`` are weights to begin with; ``resumed`` is the folder of a run that goes on, whose
    weights come from its checkpoint later. Raises ``UsageError`` for what does not fit, and
    ``UnavailableError`` for weights that cannot be had. Shows warnings.
    """
    sources = settings.data
    if sources.index is None:
        raise UsageError("no index is named: give --index FILE, or set data.index in the pipeline")
    data = open_data(settings, stage, index=sources.index, rgb=sources.rgb, pose=sources.pose)
    for warning in data.warnings:
        warn(escape(warning))
    training = data.split(sources.train_split)
    validation = _validation_videos(data, sources.validation_split)

    # A resumed run reads the text encoder that it keeps: the original may be gone.
    text = as_kept(settings.text, resumed.text_encoder) if resumed else settings.text
    tokenizer = build_tokenizer(text)
    if not resumed:  # once a run: millions of sentences take minutes
        _check_sentences(training, tokenizer, settings.text.max_words)

    sampler = EpochBatches(
        tuple(video.text for video in training),
        settings.optimisation.batch_size,
        seed,
        sources.same_sentence,
        rank=processes.rank,
        num_processes=processes.size,
    )
    batches = TrainingBatches(
        data,
        training,
        tokenizer,
        settings=settings.augmentation,
        sampler=sampler,
        seed=seed,
        workers=sources.workers,
        pin_memory=processes.device.type == "cuda",
    )
    length = RunLength(settings.optimisation.epochs, sampler.num_steps)
    model = initial_model(
        settings.model_copy(update={"text": text}), stage, seed, data.layout, processes,
        init=init, is_resumed=resumed is not None,
    )  # fmt: skip
    step = training_step(model, settings, processes, length.steps)
    identity = RunIdentity(
        stage, seed, settings, data.layout, data.provenance, TrainingVideos.of(training)
    )
    return PreparedRun(
        identity, processes, data, training, validation, tokenizer, batches, length, step
    )


def _validation_videos(data: RetrievalData, split: str) -> SplitVideos:
    try:
        return data.split(split)
    except SplitError as error:
        warn(escape(f"no validation: {error}. The last epoch will count as the best"))
        return ()


def _check_sentences(training: SplitVideos, tokenizer: Tokenizer, max_words: int) -> None:
    sentences = as_tokens(tokenizer, [video.text for video in training])
    refuse_sentences(training, sentences)
    for warning in sentences.warnings(max_words):
        warn(escape(warning))


def initial_model(
    settings: TrainSettings,
    stage: Stage,
    seed: int,
    layout: ClipLayout,
    processes: Processes,
    *,
    init: Sequence[Path],
    is_resumed: bool,
) -> RetrievalModel:
    """Builds the model as the first step finds it, and seeds every random generator.

    The model of a resumed run holds random numbers, until its checkpoint is read.
    """

    def built(*, with_weights: bool) -> tuple[RetrievalModel, list[ImportReport]]:
        # Seeded each time, so that a model that was built to find out leaves no trace.
        seed_all(seed)
        model = build_model(settings, stage, layout, processes, with_weights=with_weights)
        return model, [import_weights(model, path) for path in init]

    # Pretrained weights are not looked for, or downloaded, where a checkpoint or the files of
    # --init bring them. Whether the files bring all of them is known once they have filled a model.
    model, reports = built(with_weights=not (is_resumed or init))
    if init:
        pretrained = ["text."]
        if settings.text.encoder == "clip" and settings.streams.initial == "clip":
            pretrained += ["pose_stream.", "rgb_stream."]
        lacking = set.intersection(*(set(report.missing) for report in reports))
        if any(name.startswith(tuple(pretrained)) for name in lacking):
            model, reports = built(with_weights=True)
    for report in reports:
        messages.print(report.summary(), markup=False)
        for line in report.details():
            messages.print(f"  {line}", markup=False)

    # The same seed gives the same model, but not across machines to the last bit.
    processes.copy_from_first([*model.parameters(), *model.buffers()])
    model.train()
    if settings.text.frozen:
        model.text.eval()  # no dropout in an encoder that does not learn
    # From here on the processes differ: each has dropout of its own.
    seed_all(seed + processes.rank)
    return model


def build_model(
    settings: TrainSettings,
    stage: Stage,
    layout: ClipLayout,
    processes: Processes,
    *,
    with_weights: bool,
) -> RetrievalModel:
    """Builds the model of a stage on the process's device.

    ``with_weights=False`` leaves random numbers where pretrained weights would be.
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
    # Batch statistics of all processes' videos, as in one large batch; only GPUs can do that.
    if processes.size > 1 and processes.device.type == "cuda":
        synchronise(model)
    return model.to(processes.device)


def training_step(
    model: RetrievalModel, settings: TrainSettings, processes: Processes, total_steps: int
) -> TrainingStep:
    """Builds the step that trains a model, with a new optimiser."""
    optimisation = settings.optimisation
    gradient_pass = GradientPass(
        model,
        processes,
        settings.similarity,
        settings.losses,
        optimisation.precision,
        optimisation.micro_batch,
        settings.targets,
    )
    optimiser = build_optimiser(model, optimisation)
    scaler = loss_scaler(processes.device, optimisation.precision)
    return TrainingStep(gradient_pass, optimiser, scaler, optimisation, total_steps)


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
    counts: dict[str, list[int]] = {}  # part -> trained and frozen
    for name, parameter in model.named_parameters():
        counts.setdefault(part_of(name), [0, 0])[not parameter.requires_grad] += parameter.numel()
    rows = {}
    for part, (trained, frozen) in counts.items():
        rate = getattr(rates, RATE_OF_PART[part])
        texts = [f"{trained:,} parameters, learning rate {rate:g}"] * (trained > 0)
        texts += [f"{frozen:,} frozen"] * (frozen > 0)
        rows[part] = ", ".join(texts)
    total = sum(map(sum, counts.values()))
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


class UntrainableError(UsageError):
    """Raised for a run that could not learn; the message names what to change."""


def refuse_settings(settings: TrainSettings, stage: Stage) -> None:
    """Raises :class:`UntrainableError` for values that cannot be used together in a stage."""
    data, size = settings.data, settings.optimisation.batch_size
    if data.train_split == data.validation_split:
        raise UntrainableError(
            f"data.train_split and data.validation_split are both '{data.train_split}': what is "
            "trained on cannot choose the best epoch. Name another split for validation; without "
            "videos, the last epoch counts"
        )
    if size < 2:
        raise UntrainableError(
            f"optimisation.batch_size is {size}: a step compares its videos with each other and "
            "needs 2 or more (optimisation.micro_batch saves memory)"
        )
    weights = settings.losses.model_dump()
    names = tuple(weights) if stage == "fusion" else (stage,)
    if not any(weights[name] for name in names):
        raise UntrainableError(
            f"stage {stage} learns nothing: {', '.join(f'losses.{name}' for name in names)} "
            f"{'are all' if len(names) > 1 else 'is'} 0"
        )
    dim, heads = settings.embedding_dim, settings.cgaf.heads
    if stage == "fusion" and dim % 2:
        raise UntrainableError(
            f"embedding_dim must be even for the fusion's sine and cosine positions, found {dim}"
        )
    if stage == "fusion" and dim % heads:
        raise UntrainableError(
            f"cgaf.heads {heads} does not divide embedding_dim {dim}: every head has equally many "
            "features"
        )


def refuse_sentences(training: SplitVideos, sentences: TokenisedSentences) -> None:
    """Raises :class:`UntrainableError` where every video is the answer to every sentence."""
    if len(training) < 2:
        raise UntrainableError(
            f"'{training[0].video_id}' is the only training video: a step compares videos with "
            "each other and needs 2 or more"
        )
    if sentences.num_told_apart > 1:
        return
    first, *others = dict.fromkeys(video.text for video in training)
    told = f"such as {first!r} and {others[0]!r}" if others else repr(first)
    reason = "sentences that are the same to the text encoder" if others else "one sentence"
    raise UntrainableError(
        f"nothing can be learnt: all {len(training):,} training videos have {reason}, {told}"
    )
