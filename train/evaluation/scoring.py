"""Scores of all pairs of encoded videos and sentences, block by block."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seds_core.console import track
from train.batches import SignTokens, TextTokens
from train.model.fine_grained_similarity import retrieval_score
from train.model_settings import SimilaritySettings

Score = Callable[[Tensor, Tensor, Tensor, Tensor, SimilaritySettings], Tensor]
"""Videos' and sentences' tokens, their masks and the settings -> scores (video, text)."""

BLOCK_BYTES = 2**28
"""Bound on the memory of a block's token similarities and what is computed from them."""

COPIES = 6
"""Arrays of the size of the token similarities that are alive together, at most."""


def score_streams(
    signs: SignTokens,
    text: TextTokens,
    settings: SimilaritySettings,
    *,
    device: torch.device,
    score: Score = retrieval_score,
) -> dict[str, Float[np.ndarray, "video text"]]:
    """Stream -> scores of all its videos (rows) with all sentences (columns), float32.

    Tokens are of unit length, on the CPU, and stay there: a block at a time goes to the device.
    """
    return {
        stream: score_all_pairs(
            tokens, text.words, signs.token_is_real, text.word_is_real, settings,
            device=device, score=score, description=f"{stream} scores",
        )
        for stream, tokens in signs.streams.items()
    }  # fmt: skip


@torch.inference_mode()
def score_all_pairs(
    signs: Float[Tensor, "video token dim"],
    words: Float[Tensor, "text word dim"],
    token_is_real: Bool[Tensor, "video token"],
    word_is_real: Bool[Tensor, "text word"],
    settings: SimilaritySettings,
    *,
    device: torch.device,
    score: Score = retrieval_score,
    description: str = "scores",
) -> Float[np.ndarray, "video text"]:
    """Scores of every video with every sentence, each as if it were computed alone."""
    num_videos, num_texts = len(signs), len(words)
    rows, columns = block_size(num_videos, num_texts, signs.shape[1] * words.shape[1])
    scores = np.empty((num_videos, num_texts), np.float32)
    for first in track(range(0, num_videos, rows), description):
        videos = slice(first, first + rows)
        of_block = signs[videos].to(device).float(), token_is_real[videos].to(device)
        for start in range(0, num_texts, columns):
            texts = slice(start, start + columns)
            block = score(
                of_block[0], words[texts].to(device).float(),
                of_block[1], word_is_real[texts].to(device), settings,
            )  # fmt: skip
            scores[videos, texts] = block.float().cpu().numpy()
    return scores


def block_size(num_videos: int, num_texts: int, values_per_pair: int) -> tuple[int, int]:
    """Videos and sentences of a block that keeps to :data:`BLOCK_BYTES`.

    Near a square, which needs the fewest transfers; whole rows where they fit.
    """
    pairs = max(1, BLOCK_BYTES // (4 * COPIES * values_per_pair))
    rows = min(num_videos, max(1, int(pairs**0.5), pairs // num_texts))
    return rows, min(num_texts, max(1, pairs // rows))
