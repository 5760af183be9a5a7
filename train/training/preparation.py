"""From a request to everything that a run is made of, before its first step."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from seds_core.console import messages, warn
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section, with_changes
from train.batches import ClipLayout
from train.checkpoints.import_weights import ImportReport, import_weights, start_streams
from train.checkpoints.run_folder import RunIdentity, TrainingVideos
from train.data.loading import TrainingBatches, training_batches
from train.data.retrieval_data import RetrievalData, SplitError, SplitVideos, open_data
from train.data.rgb_stores import rgb_choice
from train.data.sampler import EpochBatches
from train.model.batch_norm import synchronise
from train.model.retrieval_model import RetrievalModel
from train.precision import use_arithmetic
from train.processes import Processes
from train.random_states import seed_all
from train.settings import Stage, TrainSettings
from train.text.kept_encoder import FOLDER_NAME, as_kept
from train.text.text_encoder import build_text_encoder, build_tokenizer
from train.text.tokenizer import TokenisedSentences, Tokenizer, as_tokens
from train.training.gradients import GradientPass
from train.training.observers import RunLength


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


@dataclass(frozen=True)
class TrainRequest:
    """The options of one command; nothing has been looked up yet."""

    stage: Stage
    pipeline: str
    pipelines: Path
    """The file that holds the pipeline."""
    run_dir: Path
    """Folder of the run, such as ``runs/NAME``."""
    index: Path | None = None
    """``None``, here and below: as the pipeline says."""
    rgb: tuple[Path, ...] = ()
    """Several are mixed; empty: as the pipeline says."""
    pose: Path | None = None
    workers: int | None = None
    seed: int = 42
    device: str = "auto"
    resume: bool = False
    init: tuple[Path, ...] = ()
    """Files of weights to start from, in their order."""
    freeze_text: bool = False
    dry_run: bool = False
    mix: tuple[float, ...] = ()
    """Weights of several RGB stores, in their order."""


# FROM train/training/usable_settings.py
# Refuses what nothing can be trained with: requests and settings before any data is read, and data
# in which there is nothing to compare.


LARGEST_SEED = 2**63 - 1


class UntrainableError(UsageError):
    """A run that could not learn; the message names what to change."""


def refuse_request(request: TrainRequest) -> None:
    """Raises :class:`UntrainableError` for options that contradict each other or are no numbers."""
    if not 0 <= request.seed <= LARGEST_SEED:
        raise UntrainableError(f"--seed must be from 0 to 2^63 - 1, found {request.seed}")
    if request.resume and request.init:
        raise UntrainableError(
            "--resume goes on with the run's own weights, and --init begins with others: give one "
            "of the two"
        )


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
            f"stage {stage} learns nothing: {_listed(f'losses.{name}' for name in names)} "
            f"{'are all' if len(names) > 1 else 'is'} 0"
        )
    if stage == "fusion":
        _refuse_fusion_sizes(settings)


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


def _refuse_fusion_sizes(settings: TrainSettings) -> None:
    dim, heads = settings.embedding_dim, settings.cgaf.heads
    if dim % 2:
        raise UntrainableError(
            f"embedding_dim must be even for the fusion's sine and cosine positions, found {dim}"
        )
    if dim % heads:
        raise UntrainableError(
            f"cgaf.heads {heads} does not divide embedding_dim {dim}: every head has equally many "
            "features"
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


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
    sampler: EpochBatches
    batches: TrainingBatches
    length: RunLength
    model: RetrievalModel

    @property
    def settings(self) -> TrainSettings:
        """The resolved ones."""
        return self.identity.settings

    @property
    def batch_size(self) -> int:
        """Videos of a step, over all processes."""
        size = min(self.settings.optimisation.batch_size, len(self.training))
        return size - size % self.processes.size

    def video_ids(self, epoch: int, step: int) -> list[str]:
        """The videos of this process's batch in an epoch's step, in their order."""
        places, *_ = self.sampler.batches(epoch, first_step=step)
        return [self.training[place].video_id for place in places]

    @property
    def gradient_pass(self) -> GradientPass:
        """From batches to gradients."""
        optimisation = self.settings.optimisation
        return GradientPass(
            self.model,
            self.processes,
            self.settings.similarity,
            self.settings.losses,
            optimisation.precision,
            optimisation.micro_batch,
        )


def prepare(request: TrainRequest, processes: Processes) -> PreparedRun:
    """Reads settings, data and weights; all processes get the same model.

    Raises ``UsageError`` for what does not fit, and ``UnavailableError`` for weights that cannot
    be had. Warnings are shown.
    """
    refuse_request(request)
    settings = read_settings(request)
    refuse_settings(settings, request.stage)
    use_arithmetic(settings.arithmetic)
    index, rgb, pose = _named_index(settings), settings.data.rgb, settings.data.pose
    data = open_data(settings, request.stage, index=index, rgb=rgb, pose=pose)
    for text in data.warnings:
        warn(escape(text))
    training = data.split(settings.data.train_split)
    text_settings = settings.text
    if request.resume:
        text_settings = as_kept(text_settings, request.run_dir / FOLDER_NAME)
    tokenizer = build_tokenizer(text_settings)
    if not request.resume:  # once a run: of millions of sentences it takes minutes
        _check_sentences(training, tokenizer, settings.text.max_words)
    sampler = _sampler(training, settings, request.seed, processes)
    return PreparedRun(
        identity=RunIdentity(
            request.stage,
            request.seed,
            settings,
            data.layout,
            data.provenance,
            TrainingVideos.of(training),
        ),
        processes=processes,
        data=data,
        training=training,
        validation=_validation_videos(data, settings),
        tokenizer=tokenizer,
        sampler=sampler,
        batches=training_batches(
            data,
            training,
            tokenizer,
            settings=settings.augmentation,
            sampler=sampler,
            seed=request.seed,
            workers=settings.data.workers,
            pin_memory=processes.device.type == "cuda",
        ),
        length=RunLength(settings.optimisation.epochs, sampler.num_steps),
        model=_model(request, settings.model_copy(update={"text": text_settings}), data, processes),
    )


def read_settings(request: TrainRequest) -> TrainSettings:
    """The pipeline's settings with what the request puts in their place."""
    settings = read_section(request.pipelines, request.pipeline, "train", TrainSettings)
    places = {name: getattr(request, name) for name in ("index", "pose", "workers")}
    places["rgb"] = rgb_choice(request.rgb, request.mix)
    settings = with_changes(settings, "data", places)
    return with_changes(settings, "text", {"frozen": True}) if request.freeze_text else settings


def _named_index(settings: TrainSettings) -> Path:
    if settings.data.index is None:
        raise UsageError("no index is named: give --index FILE, or set data.index in the pipeline")
    return settings.data.index


def _check_sentences(training: SplitVideos, tokenizer: Tokenizer, max_words: int) -> None:
    sentences = as_tokens(tokenizer, [video.text for video in training])
    refuse_sentences(training, sentences)
    for text in sentences.warnings(max_words):
        warn(escape(text))


def _sampler(
    training: SplitVideos, settings: TrainSettings, seed: int, processes: Processes
) -> EpochBatches:
    return EpochBatches(
        tuple(video.text for video in training),
        settings.optimisation.batch_size,
        seed,
        settings.data.same_sentence,
        rank=processes.rank,
        num_processes=processes.size,
    )


def _validation_videos(data: RetrievalData, settings: TrainSettings) -> SplitVideos:
    try:
        return data.split(settings.data.validation_split)
    except SplitError as error:
        warn(escape(f"no validation: {error}. The last epoch will count as the best"))
        return ()


def _model(
    request: TrainRequest, settings: TrainSettings, data: RetrievalData, processes: Processes
) -> RetrievalModel:
    def built(*, with_weights: bool) -> tuple[RetrievalModel, list[ImportReport]]:
        seed_all(request.seed)
        layout = data.layout
        model = build_model(settings, request.stage, layout, processes, with_weights=with_weights)
        return model, fill_from_files(model, () if request.resume else request.init)

    # What the checkpoint or the files of --init bring is not looked for elsewhere.
    model, reports = built(with_weights=not (request.resume or request.init))
    if request.init and not request.resume and not bring_all_pretrained(reports, settings):
        model, reports = built(with_weights=True)
    tell_imports(reports)
    processes.copy_from_first([*model.parameters(), *model.buffers()])
    set_training_mode(model, settings)
    # From here on the processes differ: each has dropout of its own.
    seed_all(request.seed + processes.rank)
    return model
