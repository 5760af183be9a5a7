"""Refuses what nothing can be trained with: requests and settings before any data is read, and data
in which there is nothing to compare."""

from collections.abc import Iterable

from seds_core.errors import UsageError
from train.data.retrieval_data import SplitVideos
from train.settings import Stage, TrainSettings
from train.text.tokenised_sentences import TokenisedSentences
from train.training.request import TrainRequest

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
