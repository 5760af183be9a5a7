"""Similarity of videos and sentences, clip by clip and word by word; of pose and RGB likewise.

Symbols: s_ij = token i . token j of unit length, tau = temperature.
SEDS (arXiv 2407.16394), on top of CiCo (arXiv 2303.12793).
"""

import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from train.settings import SimilaritySettings


def unit_length(tokens: Float[Tensor, "row token dim"]) -> Float[Tensor, "row token dim"]:
    """Divides every token by its length."""
    return tokens / tokens.norm(dim=-1, keepdim=True)


def token_similarities(
    signs: Float[Tensor, "video token dim"], words: Float[Tensor, "text word dim"]
) -> Float[Tensor, "video text token word"]:
    """All s_ij of all pairs."""
    return einsum(signs, words, "v i d, t j d -> v t i j")


def video_to_text(
    similarities: Float[Tensor, "video text token word"],
    token_is_real: Bool[Tensor, "video token"],
    word_is_real: Bool[Tensor, "text word"],
    settings: SimilaritySettings,
) -> Float[Tensor, "video text"]:
    """Mean over real i of sum_j s_ij softmax_j(s_ij / tau). Equation 13."""
    of_tokens = token_scores(similarities, word_is_real, settings)
    return _mean_of_real(of_tokens, rearrange(token_is_real, "v i -> v 1 i"))


def text_to_video(
    similarities: Float[Tensor, "video text token word"],
    token_is_real: Bool[Tensor, "video token"],
    word_is_real: Bool[Tensor, "text word"],
    settings: SimilaritySettings,
) -> Float[Tensor, "video text"]:
    """Mean over real j of sum_i s_ij softmax_i(s_ij / tau); rows are videos here too.

    Equation 14.
    """
    of_words = word_scores(similarities, token_is_real, settings)
    return _mean_of_real(of_words, rearrange(word_is_real, "t j -> 1 t j"))


def token_scores(
    similarities: Float[Tensor, "video text token word"],
    word_is_real: Bool[Tensor, "text word"],
    settings: SimilaritySettings,
) -> Float[Tensor, "video text token"]:
    """What each token finds in the sentence: sum_j s_ij softmax_j(s_ij / tau)."""
    counted = rearrange(word_is_real, "t j -> 1 t 1 j")
    return _softmax_weighted(similarities, counted, settings, dim=-1).sum(dim=-1)


def word_scores(
    similarities: Float[Tensor, "video text token word"],
    token_is_real: Bool[Tensor, "video token"],
    settings: SimilaritySettings,
) -> Float[Tensor, "video text word"]:
    """What each word finds in the video: sum_i s_ij softmax_i(s_ij / tau)."""
    counted = rearrange(token_is_real, "v i -> v 1 i 1")
    return _softmax_weighted(similarities, counted, settings, dim=-2).sum(dim=-2)


def retrieval_score(
    signs: Float[Tensor, "video token dim"],
    words: Float[Tensor, "text word dim"],
    token_is_real: Bool[Tensor, "video token"],
    word_is_real: Bool[Tensor, "text word"],
    settings: SimilaritySettings,
) -> Float[Tensor, "video text"]:
    """Mean of both directions, which candidates are ranked by. Tokens are of unit length.

    Equation 15.
    """
    # Both directions use the same similarities.
    values = (token_similarities(signs, words), token_is_real, word_is_real, settings)
    return 0.5 * (video_to_text(*values) + text_to_video(*values))


def clip_by_clip(
    similarities: Float[Tensor, "_video video token token"],
    token_is_real: Bool[Tensor, "video token"],
    settings: SimilaritySettings,
    *,
    dim: int,
    first_is_real: Bool[Tensor, "_video token"] | None = None,
) -> Float[Tensor, "_video video"]:
    """Sum over real i of s_ii softmax(s / tau)_ii: similarity of two streams at the same clips.

    ``similarities[a, b]`` compares one stream of video a with another stream of video b; ``dim``
    is the softmax's axis, -1 with the tokens of a counted, -2 with those of b. ``first_is_real`` is
    the mask of the videos a where they are not all of them. A sum, not a mean, as in the published
    code. Equation 16; SEDS (arXiv 2407.16394), pose-RGB matching.
    """
    of_a = token_is_real if first_is_real is None else first_is_real
    of_a, of_b = rearrange(of_a, "a i -> a 1 i"), rearrange(token_is_real, "b i -> 1 b i")
    # The softmax counts the stream that it runs along, the sum after it the other one.
    counted, is_real = (of_b[..., None, :], of_a) if dim == -1 else (of_a[..., None], of_b)
    logits = _logits(similarities, counted, settings)
    # The diagonal alone: the whole softmax would be another array of the similarities' size.
    same_clip = {"dim1": -2, "dim2": -1}
    weights = (logits.diagonal(**same_clip) - logits.logsumexp(dim=dim)).exp()
    return (similarities.diagonal(**same_clip) * weights * is_real).sum(dim=-1)


def _softmax_weighted(
    similarities: Float[Tensor, "video text token word"],
    counted: Bool[Tensor, "_ _ _ _"],
    settings: SimilaritySettings,
    *,
    dim: int,
) -> Float[Tensor, "video text token word"]:
    """s_ij softmax(s_ij / tau) along ``dim``, over what is counted."""
    return similarities * _logits(similarities, counted, settings).softmax(dim=dim)


def _logits(
    similarities: Float[Tensor, "video text token word"],
    counted: Bool[Tensor, "_ _ _ _"],
    settings: SimilaritySettings,
) -> Float[Tensor, "video text token word"]:
    """s / tau where counted. Published: padding too, with which published weights were trained."""
    logits = similarities / settings.temperature
    return logits.masked_fill(~counted, -torch.inf) if settings.padding == "masked" else logits


def _mean_of_real(
    values: Float[Tensor, "video text row"], is_real: Bool[Tensor, "_ _ row"]
) -> Float[Tensor, "video text"]:
    return (values * is_real).sum(dim=-1) / is_real.sum(dim=-1)
