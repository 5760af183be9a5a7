"""What every text encoder and tokenizer provides, and how they are chosen by name."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from train.batches import TextBatch
from train.settings import TextSettings
from train.text.pieces import SentencePieces

_AT_ONCE = 1024
"""Sentences whose tokens are in memory together."""

_SHOWN = 3


@runtime_checkable
class Tokenizer(Protocol):
    """Turns sentences into token numbers. Can be pickled, for processes that load data.

    Every sentence is padded to the same length, so that what is computed from it does
    not depend on the sentences beside it.
    """

    @property
    def unknown_token(self) -> int | None:
        """The token of a word that the encoder does not know; ``None`` where it knows all."""
        ...

    def __call__(self, sentences: Sequence[str]) -> TextBatch:
        """Token numbers and which of them are real, one row a sentence."""
        ...

    def num_too_long(self, sentences: Sequence[str]) -> int:
        """Counts the sentences that are longer than that and lose words."""
        ...

    def pieces(self, sentence: str) -> SentencePieces:
        """Words of a sentence, and which of them stands at each real position."""
        ...


class TextEncoder(nn.Module, ABC):
    """Turns each sentence into one vector for each position, whatever sentences are beside it."""

    @property
    def is_random(self) -> bool:
        """Whether two encodings of one sentence may differ: in training, by dropout."""
        return self.training

    @abstractmethod
    def forward(self, text: TextBatch) -> Float[Tensor, "text word dim"]:
        """Returns vectors of every position, padding included, not of unit length."""

    @abstractmethod
    def pretrained_parameters(self) -> Iterator[nn.Parameter]:
        """Everything that came with the encoder, which ``--freeze text`` does not train."""

    @abstractmethod
    def use_gradient_checkpointing(self) -> None:
        """Recomputes inner values in the backward pass."""


def build_text_encoder(
    settings: TextSettings, embedding_dim: int, *, with_weights: bool = True
) -> TextEncoder:
    """Builds the encoder of the settings, with ``embedding_dim`` features for each position.

    ``with_weights=False`` leaves it random and needs no file of weights: for models whose weights
    come from a checkpoint. Raises :class:`~seds_core.errors.UnavailableError` for
    weights that cannot be had here and :class:`~seds_core.errors.UsageError` for ones that do not
    fit.
    """
    # Each encoder's library takes seconds to import, and so only the one that is needed is.
    if settings.encoder == "clip":
        from train.text.openai_clip import build_openai_clip  # noqa: PLC0415

        return build_openai_clip(settings, embedding_dim, with_weights=with_weights)
    from train.text.huggingface import build_huggingface  # noqa: PLC0415

    return build_huggingface(settings.encoder, embedding_dim, with_weights=with_weights)


def build_tokenizer(settings: TextSettings) -> Tokenizer:
    """Builds the tokenizer that belongs to the encoder of the settings."""
    if settings.encoder == "clip":
        from train.text.openai_clip import OpenAIClipTokenizer  # noqa: PLC0415

        return OpenAIClipTokenizer(settings.max_words)
    from train.text.huggingface import HuggingFaceTokenizer  # noqa: PLC0415

    return HuggingFaceTokenizer(settings.encoder, settings.max_words)


@dataclass(frozen=True)
class TokenisedSentences:
    """What a tokenizer makes of different sentences: counts, with examples."""

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
        """What the user must know before anything is trained on them."""
        if self.num_too_long:
            yield f"{self.num_too_long:,} sentences have more than {max_words} words: cut short"
        if self.num_with_unknown:
            examples = ", ".join(map(repr, self.unknown_examples))
            yield (
                f"{self.num_with_unknown:,} of {self.num_sentences:,} different sentences have "
                f"words that the text encoder does not know, such as {examples}; "
                f"{self.num_only_unknown:,} hold nothing else. "
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
    # Tokens that every sentence has, such as its start and end.
    num_special = int(tokenizer([""]).word_is_real.sum())
    first_of: dict[bytes, str] = {}  # token numbers -> the first sentence that has them
    equal, with_unknown, num_only_unknown = [], [], 0
    for start in range(0, len(different), _AT_ONCE):
        some = different[start : start + _AT_ONCE]
        text = tokenizer(some)
        # Padding may be given any number, and sentences are compared by their tokens alone.
        rows = text.input_ids.masked_fill(~text.word_is_real, -1).numpy()
        for sentence, ids, is_real in zip(some, rows, text.word_is_real, strict=True):
            first = first_of.setdefault(ids.tobytes(), sentence)
            if first is not sentence:
                equal.append((first, sentence))
            num_unknown = int((ids == tokenizer.unknown_token).sum())
            if num_unknown:
                with_unknown.append(sentence)
                num_only_unknown += num_unknown == int(is_real.sum()) - num_special
    return TokenisedSentences(
        len(different),
        len(first_of),
        tokenizer.num_too_long(sentences),
        len(with_unknown),
        num_only_unknown,
        tuple(with_unknown[:_SHOWN]),
        tuple(equal[:_SHOWN]),
    )
