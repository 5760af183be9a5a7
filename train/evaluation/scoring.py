"""Scores of all pairs of encoded videos and sentences, block by block."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from train.batches import TextTokens
from train.evaluation.block_scores import SMALLEST_TEMPERATURE, block_scores
from train.evaluation.encode_split import EncodedVideos
from train.model.fine_grained_similarity import retrieval_score
from train.model_settings import SimilaritySettings
from train.tensor_tree import on_device

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
