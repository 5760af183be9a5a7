"""The tokenizer that belongs to a Hugging Face text encoder."""

import os
from collections.abc import Sequence

from train.batches import TextBatch
from train.text.huggingface_source import loaded_tokenizer, loading, location_of


class HuggingFaceTokenizer:
    """Sentences cut off and padded to one length by the encoder's own rules."""

    def __init__(self, encoder: str, max_words: int) -> None:
        """``encoder`` as in the settings; ``max_words`` places, start and end included."""
        # Threads of its own are of no use in processes that load data, and forking with them warns.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self.max_words = max_words
        location = location_of(encoder)
        with loading(location):
            self._tokenizer = loaded_tokenizer(location)
            self([""])  # A tokenizer that cannot pad says so here.

    @property
    def unknown_token(self) -> int | None:
        """The encoder's own, unless it also stands for a start, an end or padding."""
        made, unknown = self._tokenizer, self._tokenizer.unk_token_id
        others = (
            made.pad_token_id, made.bos_token_id, made.eos_token_id, made.cls_token_id,
            made.sep_token_id,
        )  # fmt: skip
        return None if unknown in others else unknown

    def __call__(self, sentences: Sequence[str]) -> TextBatch:
        """Token numbers of the sentences; those that are too long lose their last words."""
        encoded = self._tokenizer(
            list(sentences),
            padding="max_length",
            truncation=True,
            max_length=self.max_words,
            return_tensors="pt",
        )
        return TextBatch(encoded["input_ids"], encoded["attention_mask"].bool())

    def num_too_long(self, sentences: Sequence[str]) -> int:
        """How many of the sentences lose words."""
        encoded = self._tokenizer(list(sentences), verbose=False)
        return sum(len(tokens) > self.max_words for tokens in encoded["input_ids"])
