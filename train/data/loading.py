"""The batches of a training run and of an evaluation."""

from collections.abc import Iterator

from train.batches import SignBatch, TrainingBatch
from train.data.collation import SignCollation, TrainingCollation
from train.data.examples import ExampleKey, SignDataset, TrainingDataset
from train.data.keyed_loader import KeyedLoader
from train.data.retrieval_data import RetrievalData, SplitVideos
from train.data.sampler import EpochBatches
from train.settings import AugmentationSettings
from train.text.tokenizer import Tokenizer


class TrainingBatches:
    """The batches of one training process, epoch by epoch; made by :func:`training_batches`."""

    def __init__(
        self, loader: KeyedLoader[ExampleKey, TrainingBatch], sampler: EpochBatches
    ) -> None:
        """Reads nothing yet."""
        self._loader = loader
        self._sampler = sampler

    def epoch(self, epoch: int, *, first_step: int = 0) -> Iterator[TrainingBatch]:
        """The batches of an epoch, from a step on."""
        places = self._sampler.batches(epoch, first_step=first_step)
        return self._loader.batches([[ExampleKey(epoch, p) for p in batch] for batch in places])


class SignBatches:
    """The videos of a split in order, as often as they are asked for; made by
    :func:`sign_batches`."""

    def __init__(self, loader: KeyedLoader[int, SignBatch], batches: list[list[int]]) -> None:
        """Reads nothing yet."""
        self._loader = loader
        self._batches = batches

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._batches)

    def __iter__(self) -> Iterator[SignBatch]:
        """The batches, from the first one on."""
        return self._loader.batches(self._batches)


def training_batches(
    data: RetrievalData,
    split: SplitVideos,
    tokenizer: Tokenizer,
    *,
    settings: AugmentationSettings,
    sampler: EpochBatches,
    seed: int,
    workers: int,
    pin_memory: bool = False,
) -> TrainingBatches:
    """Batches of a split's examples; the same ones for any number of workers.

    ``sampler`` must have been made of the sentences of this split. ``pin_memory`` makes copies to
    a CUDA device faster, and needs one.
    """
    dataset = TrainingDataset(data.reader, split, settings, seed)
    collate = TrainingCollation(data.layout, tokenizer)
    return TrainingBatches(KeyedLoader(dataset, collate, workers, pin_memory=pin_memory), sampler)


def sign_batches(
    data: RetrievalData,
    split: SplitVideos,
    batch_size: int,
    workers: int,
    *,
    pin_memory: bool = False,
) -> SignBatches:
    """All videos of a split in its order; the last batch may be smaller."""
    dataset = SignDataset(data.reader, split)
    loader: KeyedLoader[int, SignBatch] = KeyedLoader(
        dataset, SignCollation(data.layout), workers, pin_memory=pin_memory
    )
    places = list(range(len(split)))
    return SignBatches(
        loader, [places[start : start + batch_size] for start in places[::batch_size]]
    )
