"""From a request to everything that a run is made of, before its first step."""

from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from seds_core.console import warn
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section, with_changes
from train.checkpoints.import_report import ImportReport
from train.data.loading import TrainingBatches, training_batches
from train.data.retrieval_data import RetrievalData, SplitError, SplitVideos, open_data
from train.data.sampler import EpochBatches
from train.model.retrieval_model import RetrievalModel
from train.precision import use_arithmetic
from train.rgb_choice import rgb_choice
from train.settings import TrainSettings
from train.text.kept_encoder import FOLDER_NAME, as_kept
from train.text.text_encoder import build_tokenizer
from train.text.tokenised_sentences import as_tokens
from train.text.tokenizer import Tokenizer
from train.training.building import (
    bring_all_pretrained,
    build_model,
    fill_from_files,
    set_training_mode,
    tell_imports,
)
from train.training.gradients import GradientPass
from train.training.observer import RunLength
from train.training.processes import Processes
from train.training.random_states import seed_all
from train.training.request import TrainRequest
from train.training.run_identity import RunIdentity
from train.training.training_videos import TrainingVideos
from train.training.usable_settings import refuse_request, refuse_sentences, refuse_settings


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
