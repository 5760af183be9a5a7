"""Retrieval scores of a block of videos and sentences, without a softmax.

Symbols as in :mod:`train.model.fine_grained_similarity`: s_ij the cosine of token i and word j,
tau the temperature. Both directions weigh the same s_ij by the same e_ij = exp(s_ij / tau) and
differ in what they sum over. So e is computed once, and the softmax-weighted sums are quotients:
sum_j s_ij e_ij / sum_j e_ij for every token, sum_i s_ij e_ij / sum_i e_ij for every word.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from train.model_settings import SimilaritySettings

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
