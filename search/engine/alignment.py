"""Why a video scores for a sentence: which clips find which words, and what each is worth."""

from collections.abc import Sequence

import torch

from search.engine.ragged_tokens import QueryTokens
from search.results import Alignment, Span
from train.model.fine_grained_similarity import (
    text_to_video,
    token_scores,
    token_similarities,
    video_to_text,
    word_scores,
)
from train.settings import SimilaritySettings


@torch.inference_mode()
def align(
    signs: QueryTokens,
    sentence: QueryTokens,
    settings: SimilaritySettings,
    *,
    stream: str,
    words: Sequence[str],
    clips: Sequence[Span],
) -> Alignment:
    """Takes the score of one video and one sentence apart.

    ``signs`` are the class token and the clips' tokens, ``sentence`` the words', both of unit
    length, with the padding that the model counts. ``words`` and ``clips`` name the real ones.
    """
    token_is_real, word_is_real = signs.is_real[None], sentence.is_real[None]
    similarities = token_similarities(signs.tokens[None], sentence.tokens[None])
    masks = token_is_real, word_is_real, settings
    to_text, to_video = video_to_text(similarities, *masks), text_to_video(similarities, *masks)
    # Padding has had its part in the softmax where the model counts it, and is not shown.
    shown = similarities[0, 0][signs.is_real][:, sentence.is_real].numpy()
    of_tokens = token_scores(similarities, word_is_real, settings)[0, 0][signs.is_real].numpy()
    of_words = word_scores(similarities, token_is_real, settings)[0, 0][sentence.is_real]
    found = tuple(words), tuple(clips)
    if shown.shape != (1 + len(found[1]), len(found[0])):
        raise ValueError(
            f"expected names of {shown.shape[0] - 1} clips and {shown.shape[1]} words, "
            f"got {len(found[1])} and {len(found[0])}"
        )
    return Alignment(
        stream=stream,
        words=found[0],
        clips=found[1],
        similarities=shown[1:],
        score=float(0.5 * (to_text + to_video)),
        video_to_text=float(to_text),
        text_to_video=float(to_video),
        class_token=shown[0],
        of_class_token=float(of_tokens[0]),
        of_clips=of_tokens[1:],
        of_words=of_words.numpy(),
    )
