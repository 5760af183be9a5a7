"""Every video and every sentence of a split through the encoders, each of them once."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seds_core.console import progress_bar, track
from train.batches import SignBatch, SignTokens, TextTokens
from train.model.fine_grained_similarity import unit_length
from train.model.retrieval_model import RetrievalModel
from train.precision import autocast
from train.settings import Precision
from train.tensor_tree import on_device
from train.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class EncodedVideos:
    """Videos whose tokens come batch by batch, each when it is asked for, and once."""

    num_videos: int
    batches: Iterator[SignTokens]
    """Of unit length, in the order of the videos."""


def encode_videos(
    model: RetrievalModel,
    batches: Iterable[SignBatch],
    num_videos: int,
    *,
    device: torch.device,
    precision: Precision = "float32",
) -> EncodedVideos:
    """Tokens of the videos, on the device.

    Between two batches the model is as it was before: what is done with the tokens there is done
    in full precision.
    """

    def encoded() -> Iterator[SignTokens]:
        first = 0
        with progress_bar() as progress:
            task = progress.add_task("videos", total=num_videos, rates="")
            for batch in batches:
                with evaluating(model, device, precision):
                    tokens = model.encode_signs(on_device(batch, device))
                    units = {n: unit_length(v.float()) for n, v in tokens.streams.items()}
                yield SignTokens(tokens.token_is_real, **units)
                first += batch.num_videos
                progress.update(task, completed=first)
        assert first == num_videos, f"{first} of {num_videos} videos were encoded"

    return EncodedVideos(num_videos, encoded())


def encode_sentences(
    model: RetrievalModel,
    tokenizer: Tokenizer,
    sentences: Sequence[str],
    batch_size: int,
    *,
    device: torch.device,
    precision: Precision = "float32",
) -> TextTokens:
    """Words of all sentences, of unit length, on the CPU, in their order."""
    kept: dict[str, Tensor] = {}
    with evaluating(model, device, precision):
        for first in track(range(0, len(sentences), batch_size), "sentences"):
            text = on_device(tokenizer(sentences[first : first + batch_size]), device)
            tokens = model.encode_text(text)
            rows = slice(first, first + len(tokens.words))
            _keep(kept, "word_is_real", tokens.word_is_real, rows, len(sentences))
            _keep(kept, "words", unit_length(tokens.words.float()), rows, len(sentences))
    return TextTokens(**kept)


@contextmanager
def evaluating(model: nn.Module, device: torch.device, precision: Precision) -> Iterator[None]:
    """No dropout, no gradients, the asked arithmetic; afterwards every part trains as before."""
    was_training = {part: part.training for part in model.modules()}
    model.eval()
    try:
        with torch.inference_mode(), autocast(device, precision):
            yield
    finally:
        for part, training in was_training.items():
            part.training = training


def _keep(kept: dict[str, Tensor], name: str, values: Tensor, rows: slice, total: int) -> None:
    """Writes rows of an array that is made once: lists of batches would need it twice."""
    if name not in kept:
        kept[name] = torch.empty((total, *values.shape[1:]), dtype=values.dtype)
    kept[name][rows] = values.cpu()
