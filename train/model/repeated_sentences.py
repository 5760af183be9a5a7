"""Encodes sentences that occur more than once a single time.

Half of the published augmented twins are the plain sentence, and data sets repeat sentences.
"""

import torch
from jaxtyping import Int64
from torch import Tensor

from train.batches import TextBatch


def distinct_sentences(text: TextBatch) -> tuple[TextBatch, Int64[Tensor, " row"]]:
    """Every sentence once, and which of them each row is."""
    num_words = text.input_ids.shape[1]
    rows = torch.cat([text.input_ids, text.word_is_real], dim=1)
    distinct, sentence_of_row = torch.unique(rows, dim=0, return_inverse=True)
    sentences = TextBatch(distinct[:, :num_words], distinct[:, num_words:].bool())
    return sentences, sentence_of_row
