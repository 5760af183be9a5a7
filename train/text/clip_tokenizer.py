"""CLIP's byte pair encoding, with the published rule for sentences that are too long."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int64
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from train.batches import TextBatch


def up_to_end(input_ids: Int64[Tensor, "text word"]) -> Bool[Tensor, "text word"]:
    """True up to and including the end token, which has CLIP's largest number.

    >>> up_to_end(torch.tensor([[49406, 518, 49407, 0]])).tolist()
    [[True, True, True, False]]
    """
    return torch.arange(input_ids.shape[1]) <= input_ids.argmax(dim=1, keepdim=True)


def kept_places(num_tokens: int, max_words: int) -> list[int]:
    """Which of a sentence's tokens are kept; start counted, end not, because it has its own place.

    The start always, and of the rest as many as there is room for, evenly spread, as SEDS's
    published code does.

    >>> kept_places(4, 32)
    [0, 1, 2, 3]
    >>> kept_places(8, 6)
    [0, 1, 3, 5, 7]
    """
    if num_tokens < max_words:
        return list(range(num_tokens))
    return [0, *np.linspace(1, num_tokens - 1, max_words - 2, dtype=int).tolist()]


class ClipTokenizer:
    """Start, byte pairs, end, then zeros."""

    def __init__(self, max_words: int) -> None:
        """``max_words`` places, start and end included."""
        self.max_words = max_words
        self._byte_pairs = SimpleTokenizer()

    @property
    def unknown_token(self) -> None:
        """Nothing: every byte has a token."""
        return None

    def __call__(self, sentences: Sequence[str]) -> TextBatch:
        """Token numbers of the sentences; those that are too long lose words between others."""
        input_ids = torch.zeros(len(sentences), self.max_words, dtype=torch.int64)
        for row, sentence in zip(input_ids, sentences, strict=True):
            tokens = [self._byte_pairs.sot_token_id, *self._byte_pairs.encode(sentence)]
            tokens = [tokens[place] for place in kept_places(len(tokens), self.max_words)]
            tokens.append(self._byte_pairs.eot_token_id)
            row[: len(tokens)] = torch.tensor(tokens)
        return TextBatch(input_ids, up_to_end(input_ids))

    def num_too_long(self, sentences: Sequence[str]) -> int:
        """How many of the sentences lose words."""
        lengths = (len(self._byte_pairs.encode(sentence)) for sentence in sentences)
        return sum(length > self.max_words - 2 for length in lengths)
