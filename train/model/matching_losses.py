"""The losses of a batch: every stream against the sentences, and pose against RGB.

SEDS (arXiv 2407.16394). Row k of the videos and row k of the sentences belong together; every other
row counts as a wrong answer.

The scores of a large batch are small, but they are made of all token similarities, (video, text,
token, word), and autograd would keep several arrays of that size for each stream and direction. So
they are made in pieces of which autograd keeps nothing: the backward pass computes each once more
(gradient checkpointing: Chen et al. 2016, arXiv 1604.06174).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from train.batches import SignTokens, TextTokens
from train.model.fine_grained_similarity import (
    clip_by_clip,
    text_to_video,
    token_similarities,
    unit_length,
    video_to_text,
)
from train.settings import LossSettings, SimilaritySettings, TargetSettings

KEPT_BYTES = 2**25
"""Arrays up to this size are kept for the backward pass; larger ones are made in pieces of it."""


def rows_in_pieces(
    result: Callable[[Tensor, Tensor], Tensor],
    signs: Float[Tensor, "video token dim"],
    token_is_real: Bool[Tensor, "video token"],
    *,
    values_per_row: int,
) -> Float[Tensor, "video ..."]:
    """Returns ``result(signs, token_is_real)``, computed for some videos at a time.

    Row k of the result depends on row k of the arguments alone, and on nothing random.
    ``values_per_row`` counts the values of the largest array inside ``result``, for one video.
    Values and gradients are those of one call.
    """
    num_rows = KEPT_BYTES // (values_per_row * signs.element_size())
    if len(signs) <= num_rows:
        return result(signs, token_is_real)
    # Each piece is as many videos as may be kept, and one at least.
    pieces = zip(
        *(torch.split(rows, max(1, num_rows)) for rows in (signs, token_is_real)), strict=True
    )
    return torch.cat(
        [
            checkpoint(result, *piece, use_reentrant=False, preserve_rng_state=False)
            for piece in pieces
        ]
    )


@dataclass(frozen=True)
class Losses:
    """The loss to be minimised, and its parts."""

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
    targets: Float[Tensor, "video video"],
) -> Losses:
    """Weighted sum of the losses of the streams that the model has. Equation 19.

    ``targets`` are those of videos and sentences; a video's pose matches its own RGB alone.
    """
    words, other = unit_length(text.words), unit_length(augmented.words)
    streams = {name: unit_length(tokens) for name, tokens in signs.streams.items()}
    # Videos are compared with the sentences, and the augmented sentences with the videos.
    parts = {}
    for name, tokens in streams.items():
        to_text = direction_scores(
            video_to_text, tokens, words, signs.token_is_real, text.word_is_real, similarity
        )
        to_video = direction_scores(
            text_to_video, tokens, other, signs.token_is_real, augmented.word_is_real, similarity
        )
        parts[name] = stream_loss(to_text * scale, to_video * scale, targets)
    if "fusion" in streams:
        parts["pose_rgb_matching"] = pose_rgb_matching_loss(
            streams["pose"], streams["rgb"], signs.token_is_real, scale, similarity
        )
    total = torch.stack([getattr(weights, name) * loss for name, loss in parts.items()]).sum()
    return Losses(total, parts)


def direction_scores(
    direction: Callable[..., Tensor],
    signs: Float[Tensor, "video token dim"],
    words: Float[Tensor, "text word dim"],
    token_is_real: Bool[Tensor, "video token"],
    word_is_real: Bool[Tensor, "text word"],
    settings: SimilaritySettings,
) -> Float[Tensor, "video text"]:
    """All pairs' scores by ``video_to_text`` or ``text_to_video``; tokens are of unit length."""

    def of_videos(tokens: Tensor, is_real: Tensor) -> Tensor:
        return direction(token_similarities(tokens, words), is_real, word_is_real, settings)

    values_per_video = signs.shape[1] * words[..., 0].numel()
    return rows_in_pieces(of_videos, signs, token_is_real, values_per_row=values_per_video)


def matching_targets(
    same_sentence: Bool[Tensor, "video video"], settings: TargetSettings
) -> Float[Tensor, "video video"]:
    """Which sentences a video should be matched with: rows of probabilities, symmetric.

    As published, its own alone. With ``positives: same_sentence``, every video of the sentence
    counts alike (supervised contrastive learning: Khosla et al. 2020, arXiv 2004.11362, the mean
    outside the logarithm). ``label_smoothing`` is spread over all of them (Szegedy et al. 2016,
    arXiv 1512.00567).
    """
    if settings.positives == "same_sentence":
        positives = same_sentence.float()
    else:
        positives = torch.eye(len(same_sentence), device=same_sentence.device)
    # Rows and columns of one sentence have equally many positives, so that this stays symmetric.
    targets = positives / positives.sum(dim=-1, keepdim=True)
    return targets.lerp(torch.full_like(targets, 1 / len(targets)), settings.label_smoothing)


def stream_loss(
    one: Float[Tensor, "video video"],
    other: Float[Tensor, "video video"],
    targets: Float[Tensor, "video video"],
) -> Float[Tensor, ""]:
    """Mean of four cross entropies: rows and columns of both directions' scores.

    ``targets`` are symmetric. Equation 18.
    """
    scores = (one, one.T, other, other.T)
    return torch.stack([cross_entropy(score, targets) for score in scores]).mean()


def cross_entropy(
    scores: Float[Tensor, "video video"], targets: Float[Tensor, "video video"]
) -> Float[Tensor, ""]:
    """Mean over rows of the cross entropy between their softmax and the targets.

    Equation 17, where the only target is the row's own index.
    """
    return -(scores.log_softmax(dim=-1) * targets).sum(dim=-1).mean()


def pose_rgb_matching_loss(
    pose: Float[Tensor, "video token dim"],
    rgb: Float[Tensor, "video token dim"],
    token_is_real: Bool[Tensor, "video token"],
    scale: Float[Tensor, ""],
    similarity: SimilaritySettings,
) -> Float[Tensor, ""]:
    """A video's pose against all videos' RGB, clip by clip, and the other way round."""

    def of_videos(tokens: Tensor, is_real: Tensor) -> Tensor:
        similarities = token_similarities(tokens, rgb)
        # Along pose tokens and along RGB tokens.
        ways = [
            clip_by_clip(similarities, token_is_real, similarity, dim=dim, first_is_real=is_real)
            for dim in (-1, -2)
        ]
        return torch.stack(ways, dim=1)

    values_per_video = pose.shape[1] * rgb[..., 0].numel()
    both = rows_in_pieces(of_videos, pose, token_is_real, values_per_row=values_per_video)
    of_pose, of_rgb = (both * scale).unbind(dim=1)
    return stream_loss(of_pose, of_rgb, torch.eye(len(of_pose), device=of_pose.device))
