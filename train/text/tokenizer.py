"""What every tokenizer gives; sentences become tokens once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

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


_AT_ONCE = 1024
"""Sentences whose tokens are in memory together."""

_SHOWN = 3


@dataclass(frozen=True)
class TokenisedSentences:
    """Counts over the different sentences, with examples."""

    num_sentences: int
    num_told_apart: int
    """Sentences that remain different as tokens."""
    num_too_long: int
    """Of all sentences, equal ones too: those that lose words."""
    num_with_unknown: int
    """Sentences with a token for something that the text encoder does not know."""
    num_only_unknown: int
    unknown_examples: tuple[str, ...]
    equal_examples: tuple[tuple[str, str], ...]
    """Pairs of different sentences with the same tokens."""

    def warnings(self, max_words: int) -> Iterator[str]:
        """What must be said before anything is trained on them."""
        if self.num_too_long:
            yield f"{self.num_too_long:,} sentences have more than {max_words} words: cut short"
        if self.num_with_unknown:
            yield (
                f"{self.num_with_unknown:,} of {self.num_sentences:,} different sentences have "
                f"words that the text encoder does not know, such as "
                f"{_quoted(self.unknown_examples)}; {self.num_only_unknown:,} hold nothing else. "
                "Take a text encoder of their language (text.encoder)"
            )
        if equal := self.num_sentences - self.num_told_apart:
            pairs = (f"{first!r} and {second!r}" for first, second in self.equal_examples)
            yield (
                f"{equal:,} of {self.num_sentences:,} different sentences have the same tokens as "
                f"another one, such as {'; '.join(pairs)}: each counts as a wrong answer to the "
                "other and cannot be told from it"
            )


def as_tokens(tokenizer: Tokenizer, sentences: Sequence[str]) -> TokenisedSentences:
    """Tokenises every different sentence once."""
    different = list(dict.fromkeys(sentences))
    num_special = int(tokenizer([""]).word_is_real.sum())
    first_of: dict[bytes, str] = {}
    equal, with_unknown, num_only_unknown = [], [], 0
    for sentence, ids, num_tokens in _tokens(tokenizer, different):
        first = first_of.setdefault(ids.tobytes(), sentence)
        if first is not sentence:
            equal.append((first, sentence))
        num_unknown = int((ids == tokenizer.unknown_token).sum())
        if num_unknown:
            with_unknown.append(sentence)
            num_only_unknown += num_unknown == num_tokens - num_special
    return TokenisedSentences(
        len(different),
        len(first_of),
        tokenizer.num_too_long(sentences),
        len(with_unknown),
        num_only_unknown,
        tuple(with_unknown[:_SHOWN]),
        tuple(equal[:_SHOWN]),
    )


def _tokens(
    tokenizer: Tokenizer, sentences: Sequence[str]
) -> Iterator[tuple[str, Int64[np.ndarray, " word"], int]]:
    """Each sentence with its padded token numbers, and how many of them are real."""
    for start in range(0, len(sentences), _AT_ONCE):
        some = sentences[start : start + _AT_ONCE]
        text = tokenizer(some)
        ids = text.input_ids.masked_fill(~text.word_is_real, -1).numpy()
        yield from zip(some, ids, text.word_is_real.sum(dim=1).tolist(), strict=True)


def _quoted(examples: Sequence[str]) -> str:
    return ", ".join(map(repr, examples))
