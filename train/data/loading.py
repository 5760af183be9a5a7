"""The batches of a training run and of an evaluation."""

from collections.abc import Iterator
from functools import partial

from train.batches import SignBatch, TrainingBatch
from train.data.collation import SignBatchReader, TrainingBatchReader, tokenised
from train.data.examples import ExampleKey, ExampleReader
from train.data.keyed_loader import KeyedLoader
from train.data.retrieval_data import RetrievalData, SplitVideos
from train.data.sampler import EpochBatches
from train.data.sign_reader import SignReader
from train.data.store_rows import LocatedVideo
from train.settings import AugmentationSettings
from train.text.tokenizer import Tokenizer


class TrainingBatches:
    """The batches of one training process, epoch by epoch; made by :func:`training_batches`.

    Whoever is done with them closes them: their processes end with it.
    """

    def __init__(
        self,
        loader: KeyedLoader[ExampleKey, TrainingBatch],
        sampler: EpochBatches,
        reader: SignReader,
        split: SplitVideos,
    ) -> None:
        """Reads nothing yet."""
        self._loader = loader
        self._sampler = sampler
        self._reader = reader
        self._split = split

    def epoch(self, epoch: int, *, first_step: int = 0) -> Iterator[TrainingBatch]:
        """The batches of an epoch, from a step on. Raises what :meth:`KeyedLoader.batches` does."""
        batches = self._sampler.batches(epoch, first_step=first_step)
        return self._loader.batches([self._key(epoch, p) for p in batch] for batch in batches)

    def close(self) -> None:
        """Ends the processes that read ahead."""
        self._loader.close()

    def _key(self, epoch: int, place: int) -> ExampleKey:
        video = self._split[place]
        return ExampleKey(epoch, place, self._reader.locate(video.video_id), video.text)


class SignBatches:
    """The videos of a split in order, as often as they are asked for; made by
    :func:`sign_batches`. To be closed like :class:`TrainingBatches`."""

    def __init__(
        self,
        loader: KeyedLoader[LocatedVideo, SignBatch],
        reader: SignReader,
        split: SplitVideos,
        batch_size: int,
    ) -> None:
        """Reads nothing yet."""
        self._loader = loader
        self._reader = reader
        self._split = split
        self._batch_size = batch_size

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self._split) // self._batch_size)

    def __iter__(self) -> Iterator[SignBatch]:
        """The batches, from the first one on."""
        size, locate = self._batch_size, self._reader.locate
        return self._loader.batches(
            [locate(video.video_id) for video in self._split[start : start + size]]
            for start in range(0, len(self._split), size)
        )

    def close(self) -> None:
        """Ends the processes that read ahead."""
        self._loader.close()


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
    read = TrainingBatchReader(ExampleReader(data.reader, settings, seed), data.layout)
    loader: KeyedLoader[ExampleKey, TrainingBatch] = KeyedLoader(
        read, partial(tokenised, tokenizer=tokenizer), workers, pin_memory=pin_memory
    )
    return TrainingBatches(loader, sampler, data.reader, split)


def sign_batches(
    data: RetrievalData,
    split: SplitVideos,
    batch_size: int,
    workers: int,
    *,
    pin_memory: bool = False,
) -> SignBatches:
    """All videos of a split in its order; the last batch may be smaller."""
    loader: KeyedLoader[LocatedVideo, SignBatch] = KeyedLoader(
        SignBatchReader(data.reader, data.layout), _as_read, workers, pin_memory=pin_memory
    )
    return SignBatches(loader, data.reader, split, batch_size)


def _as_read(batch: SignBatch) -> SignBatch:
    return batch
