"""What a tokenizer is to the rest of the program: sentences in, padded token numbers out."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from train.batches import TextBatch


@runtime_checkable
class Tokenizer(Protocol):
    """Turns sentences into token numbers. Can be pickled, for processes that load data.

    Every sentence is padded to the same number of places, so that what is computed from it does
    not depend on the sentences beside it.
    """

    @property
    def unknown_token(self) -> int | None:
        """What stands for a word that the encoder does not know; ``None`` where it knows all."""
        ...

    def __call__(self, sentences: Sequence[str]) -> TextBatch:
        """Token numbers and which of them are real, one row a sentence."""
        ...

    def num_too_long(self, sentences: Sequence[str]) -> int:
        """How many of the sentences lose words because they have more than there are places."""
        ...
