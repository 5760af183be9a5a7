"""Every video and every sentence of a split through the encoders, each of them once."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from seds_core.console import progress_bar, track
from train.batches import SignBatch, SignTokens, TextTokens
from train.model.fine_grained_similarity import unit_length
from train.model.retrieval_model import RetrievalModel
from train.precision import Precision, autocast
from train.tensor_tree import on_device
from train.text.tokenizer import Tokenizer


def encode_videos(
    model: RetrievalModel,
    batches: Iterable[SignBatch],
    num_videos: int,
    *,
    device: torch.device,
    precision: Precision = "float32",
    kept_as: torch.dtype = torch.float32,
) -> SignTokens:
    """Tokens of all videos, of unit length, on the CPU, in the order of the batches."""
    kept: dict[str, Tensor] = {}
    first = 0
    with evaluating(model, device, precision), progress_bar() as progress:
        task = progress.add_task("videos", total=num_videos, rates="")
        for batch in batches:
            tokens = model.encode_signs(on_device(batch, device))
            rows = slice(first, first + batch.num_videos)
            _keep(kept, "token_is_real", tokens.token_is_real, rows, num_videos)
            for stream, values in tokens.streams.items():
                unit = unit_length(values.float()).to(kept_as)
                _keep(kept, stream, unit, rows, num_videos)
            first = rows.stop
            progress.update(task, completed=first)
    assert first == num_videos, f"{first} of {num_videos} videos were encoded"
    return SignTokens(**kept)


def encode_sentences(
    model: RetrievalModel,
    tokenizer: Tokenizer,
    sentences: Sequence[str],
    batch_size: int,
    *,
    device: torch.device,
    precision: Precision = "float32",
    kept_as: torch.dtype = torch.float32,
) -> TextTokens:
    """Words of all sentences, of unit length, on the CPU, in their order."""
    kept: dict[str, Tensor] = {}
    with evaluating(model, device, precision):
        for first in track(range(0, len(sentences), batch_size), "sentences"):
            text = on_device(tokenizer(sentences[first : first + batch_size]), device)
            tokens = model.encode_text(text)
            rows = slice(first, first + len(tokens.words))
            _keep(kept, "word_is_real", tokens.word_is_real, rows, len(sentences))
            unit = unit_length(tokens.words.float()).to(kept_as)
            _keep(kept, "words", unit, rows, len(sentences))
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
