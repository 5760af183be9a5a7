"""A split is encoded, and every text is scored against every video."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from seds_core.console import progress_bar, track
from train.batches import SignBatch, SignTokens, TextTokens, on_device
from train.model.fine_grained_similarity import retrieval_score, unit_length
from train.model.retrieval_model import RetrievalModel
from train.precision import autocast
from train.settings import Precision, SimilaritySettings
from train.text.tokenizer import Tokenizer

# FROM train/evaluation/block_scores.py
# Retrieval scores of a block of videos and sentences, without a softmax.
#
# Symbols as in :mod:`train.model.fine_grained_similarity`: s_ij the cosine of token i and word j,
# tau the temperature. Both directions weigh the same s_ij by the same e_ij = exp(s_ij / tau) and
# differ in what they sum over. So e is computed once, and the softmax-weighted sums are quotients:
# sum_j s_ij e_ij / sum_j e_ij for every token, sum_i s_ij e_ij / sum_i e_ij for every word.


SMALLEST_TEMPERATURE = 1 / 64
"""Below, float32 might not hold the sums: e_ij is at most exp(1 / tau)."""

COPIES = 2
"""Arrays of the size of the token similarities that are alive together."""


def block_scores(
    signs: Float[Tensor, "video token dim"],
    words: Float[Tensor, "text word dim"],
    token_is_real: Bool[Tensor, "video token"],
    word_is_real: Bool[Tensor, "text word"],
    settings: SimilaritySettings,
) -> Float[Tensor, "video text"]:
    """What :func:`~train.model.fine_grained_similarity.retrieval_score` gives, without gradients.

    Tokens are of unit length, the temperature is at least :data:`SMALLEST_TEMPERATURE`.
    """
    is_masked = settings.padding == "masked"
    values = _exponentials(signs, words, settings.temperature)
    counted = token_is_real if is_masked else torch.ones_like(token_is_real)
    of_words = rearrange(counted.to(signs), "v i -> v 1 i") @ rearrange(
        values, "n v i j t -> n v i (j t)"
    )
    of_words = rearrange(of_words, "n v 1 (j t) -> n v j t", j=words.shape[1])
    if is_masked:
        values *= rearrange(word_is_real.to(signs), "t j -> j t").contiguous()
    of_tokens = values.sum(dim=3)
    to_text = _mean_of_real(of_tokens, rearrange(token_is_real, "v i -> v i 1"))
    to_video = _mean_of_real(of_words, rearrange(word_is_real, "t j -> 1 j t"))
    return 0.5 * settings.temperature * (to_text + to_video)


def _exponentials(
    signs: Float[Tensor, "video token dim"],
    words: Float[Tensor, "text word dim"],
    temperature: float,
) -> Float[Tensor, "2 video token word text"]:
    """s e / tau and e, in that order.

    Sentences stand last, so that every sum over tokens or words adds runs of numbers to each other.
    """
    rows, columns = rearrange(signs, "v i d -> (v i) d"), rearrange(words, "t j d -> (j t) d")
    both = signs.new_empty(2, len(rows), len(columns))
    weighted, weights = both
    torch.addmm(weighted, rows, columns.T, beta=0, alpha=1 / temperature, out=weighted)
    torch.exp(weighted, out=weights)
    weighted *= weights
    return rearrange(both, "n (v i) (j t) -> n v i j t", v=len(signs), t=len(words))


def _mean_of_real(
    sums: Float[Tensor, "2 video row text"], is_real: Bool[Tensor, "_ row _"]
) -> Float[Tensor, "video text"]:
    """Mean of the quotients; padding, where nothing may have been counted, has no part in it."""
    quotients = (sums[0] / sums[1]).masked_fill_(~is_real, 0)
    return quotients.sum(dim=1) / is_real.sum(dim=1)


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


CPU_BLOCK = 2**20
"""Token similarities of a block: few enough that the cache holds what is made of them."""

GPU_BLOCK = 2**24
"""The same where many have to be computed at once."""


def score_streams(
    signs: EncodedVideos,
    text: TextTokens,
    settings: SimilaritySettings,
    *,
    device: torch.device,
) -> dict[str, Float[np.ndarray, "video text"]]:
    """Stream -> scores of all its videos (rows) with all sentences (columns), float32.

    A batch's tokens are let go when it is scored: those of all videos need not be in memory
    together. The sentences lie on the device. All tokens are of unit length.
    """
    text = on_device(text, device)
    shape = signs.num_videos, len(text.words)
    scores: dict[str, Float[np.ndarray, "video text"]] = {}
    first = 0
    for batch in signs.batches:
        rows = slice(first, first + len(batch.token_is_real))
        for stream, tokens in batch.streams.items():
            sides = (tokens, text.words, batch.token_is_real, text.word_is_real)
            if stream not in scores:  # Made once: a list of rows would need twice the memory.
                scores[stream] = np.empty(shape, np.float32)
            scores[stream][rows] = score_all_pairs(*sides, settings, device=device)
        first = rows.stop
    return scores


@torch.inference_mode()
def score_all_pairs(
    signs: Float[Tensor, "video token dim"],
    words: Float[Tensor, "text word dim"],
    token_is_real: Bool[Tensor, "video token"],
    word_is_real: Bool[Tensor, "text word"],
    settings: SimilaritySettings,
    *,
    device: torch.device,
) -> Float[np.ndarray, "video text"]:
    """Scores of every video with every sentence, each as if it were computed alone.

    Tokens are of unit length and any precision; they are compared in float32, on the device. All
    of the videos are copied there, the sentences a block at a time. Where padding counts for
    nothing, most of it is left out.
    """
    score = retrieval_score if settings.temperature < SMALLEST_TEMPERATURE else block_scores
    num_videos, num_texts = block_size(signs.shape[1] * words.shape[1], device)
    scores = torch.empty(len(signs), len(words), device=device)
    videos = [
        (rows, *_block(signs, token_is_real, rows, settings, device))
        for rows in torch.split(like_lengths(token_is_real, settings), num_videos)
    ]
    for columns in torch.split(like_lengths(word_is_real, settings), num_texts):
        of_texts, words_real = _block(words, word_is_real, columns, settings, device)
        for rows, of_videos, tokens_real in videos:
            block = score(of_videos, of_texts, tokens_real, words_real, settings)
            scores[rows[:, None], columns] = block
    return scores.cpu().numpy()


def like_lengths(
    is_real: Bool[Tensor, "row _"], settings: SimilaritySettings
) -> Int64[Tensor, " row"]:
    """The rows in an order that leaves blocks little padding, where padding counts for nothing."""
    if settings.padding == "published":
        return torch.arange(len(is_real))
    return num_places(is_real).cpu().argsort(stable=True)


def num_places(is_real: Bool[Tensor, "row _"]) -> Int64[Tensor, " row"]:
    """How far each row's real places reach."""
    places = torch.arange(1, is_real.shape[1] + 1, device=is_real.device)
    return (is_real * places).amax(dim=1)


def block_size(values_per_pair: int, device: torch.device) -> tuple[int, int]:
    """Videos and sentences of a block whose token similarities keep to the device's bound.

    Near a square; sentences are a power of two, which vectorises. A pair at least.
    """
    bound = CPU_BLOCK if device.type == "cpu" else GPU_BLOCK
    pairs = max(1, bound // values_per_pair)
    num_texts = 2 ** math.ceil(math.log2(pairs) / 2)
    return max(1, pairs // num_texts), num_texts


def _block(
    tokens: Float[Tensor, "row token dim"],
    is_real: Bool[Tensor, "row token"],
    rows: Int64[Tensor, " _row"],
    settings: SimilaritySettings,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Tokens and mask of ``rows``, without the places that count for nothing in any of them."""
    if settings.padding == "published":
        run = slice(int(rows[0]), int(rows[-1]) + 1)  # copies nothing
        return tokens[run].to(device).float(), is_real[run].to(device)
    rows = rows.to(is_real.device)
    end = int(num_places(is_real[rows]).max())
    return tokens[rows, :end].to(device).float(), is_real[rows, :end].to(device)
