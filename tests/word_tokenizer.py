"""A tokenizer for tests: each word is the number of its letters' codes."""

import torch

from train.batches import TextBatch


class WordTokenizer:
    """Start 1, a number for each word, end 2, padding 0."""

    unknown_token = None

    def __init__(self, max_words=8):
        self.max_words = max_words

    def __call__(self, sentences):
        rows = torch.zeros(len(sentences), self.max_words, dtype=torch.int64)
        for row, sentence in zip(rows, sentences, strict=True):
            words = [3 + sum(word.encode()) for word in sentence.split()][: self.max_words - 2]
            row[: len(words) + 2] = torch.tensor([1, *words, 2])
        return TextBatch(rows, rows != 0)

    def num_too_long(self, sentences):
        return sum(len(sentence.split()) > self.max_words - 2 for sentence in sentences)

    def pieces(self, sentence):
        from train.text.pieces import SentencePieces

        words = sentence.split()
        kept = tuple(words[: self.max_words - 2])
        unknown = tuple(word for word in kept if self([word]).input_ids[0, 1] == self.unknown_token)
        word_of = (None, *range(len(kept)), None)
        pieces = ("[start]", *kept, "[end]")
        return SentencePieces(kept, word_of, pieces, unknown, len(words) - len(kept))
