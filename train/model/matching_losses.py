"""The losses of a batch: every stream against the sentences, and pose against RGB.

SEDS (arXiv 2407.16394). Row k of the videos and row k of the sentences belong
together; every other row counts as a wrong answer.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from train.batches import SignTokens, TextTokens
from train.model.fine_grained_similarity import (
    clip_by_clip,
    text_to_video,
    token_similarities,
    unit_length,
    video_to_text,
)
from train.model_settings import LossSettings, SimilaritySettings


@dataclass(frozen=True)
class Losses:
    """The loss that is trained on, and what it is made of."""

    total: Float[Tensor, ""]
    parts: dict[str, Float[Tensor, ""]]
    """Unweighted, by name: ``fusion``, ``pose``, ``rgb``, ``pose_rgb_matching``."""


def retrieval_losses(
    signs: SignTokens,
    text: TextTokens,
    augmented: TextTokens,
    scale: Float[Tensor, ""],
    similarity: SimilaritySettings,
    weights: LossSettings,
) -> Losses:
    """The weighted sum of the losses of the streams that are there. Equation 19."""
    words, twin = unit_length(text.words), unit_length(augmented.words)
    streams = {name: unit_length(tokens) for name, tokens in signs.streams.items()}
    parts = {
        name: stream_loss(
            video_to_text(
                token_similarities(tokens, words),
                signs.token_is_real, text.word_is_real, similarity,
            ) * scale,
            text_to_video(
                token_similarities(tokens, twin),
                signs.token_is_real, augmented.word_is_real, similarity,
            ) * scale,
        )
        for name, tokens in streams.items()
    }  # fmt: skip
    if "fusion" in streams:
        parts["pose_rgb_matching"] = pose_rgb_matching_loss(
            streams["pose"], streams["rgb"], signs.token_is_real, scale, similarity
        )
    total = torch.stack([getattr(weights, name) * loss for name, loss in parts.items()]).sum()
    return Losses(total, parts)


def stream_loss(
    one: Float[Tensor, "video video"], other: Float[Tensor, "video video"]
) -> Float[Tensor, ""]:
    """Mean of four cross entropies: rows and columns of both directions' scores.

    Equation 18.
    """
    scores = (one, one.T, other, other.T)
    return torch.stack([diagonal_cross_entropy(score) for score in scores]).mean()


def diagonal_cross_entropy(scores: Float[Tensor, "video video"]) -> Float[Tensor, ""]:
    """Mean over rows of -log softmax at the row's own place. Equation 17."""
    return -scores.log_softmax(dim=-1).diagonal().mean()


def pose_rgb_matching_loss(
    pose: Float[Tensor, "video token dim"],
    rgb: Float[Tensor, "video token dim"],
    token_is_real: Bool[Tensor, "video token"],
    scale: Float[Tensor, ""],
    similarity: SimilaritySettings,
) -> Float[Tensor, ""]:
    """A video's pose against all videos' RGB, clip by clip, and the other way round."""
    similarities = token_similarities(pose, rgb)
    of_pose = clip_by_clip(similarities, token_is_real, similarity, dim=-1) * scale
    of_rgb = clip_by_clip(similarities, token_is_real, similarity, dim=-2) * scale
    return stream_loss(of_pose, of_rgb)
