"""What every text encoder gives, chosen by name."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor, nn

from train.batches import TextBatch
from train.settings import TextSettings
from train.text.tokenizer import Tokenizer

# The encoders' libraries take seconds to import, so that each builder imports only its own.


class TextEncoder(nn.Module, ABC):
    """Sentences become one vector a place; a sentence's vectors depend on nothing beside it."""

    @property
    def is_random(self) -> bool:
        """Whether two encodings of one sentence may differ: in training, by dropout."""
        return self.training

    @abstractmethod
    def forward(self, text: TextBatch) -> Float[Tensor, "text word dim"]:
        """Vectors of every place, padding included, not of unit length."""

    @abstractmethod
    def pretrained_parameters(self) -> Iterator[nn.Parameter]:
        """Everything that came with the encoder: what ``--freeze text`` leaves as it is."""

    @abstractmethod
    def use_gradient_checkpointing(self) -> None:
        """Recomputes inner values in the backward pass."""


def build_text_encoder(
    settings: TextSettings, embedding_dim: int, *, with_weights: bool = True
) -> TextEncoder:
    """The encoder of the settings, with ``embedding_dim`` features a place.

    ``with_weights=False`` leaves random numbers in it and looks for no file of weights: for models
    whose weights come from a checkpoint. Raises :class:`~seds_core.errors.UnavailableError` for
    weights that cannot be had here and :class:`~seds_core.errors.UsageError` for ones that do not
    fit.
    """
    if settings.encoder == "clip":
        from train.text.openai_clip import build_clip  # noqa: PLC0415

        return build_clip(settings, embedding_dim, with_weights=with_weights)
    from train.text.huggingface import build_huggingface  # noqa: PLC0415

    return build_huggingface(settings.encoder, embedding_dim, with_weights=with_weights)


def build_tokenizer(settings: TextSettings) -> Tokenizer:
    """The tokenizer that belongs to the encoder of the settings."""
    if settings.encoder == "clip":
        from train.text.openai_clip import ClipTokenizer  # noqa: PLC0415

        return ClipTokenizer(settings.max_words)
    from train.text.huggingface import HuggingFaceTokenizer  # noqa: PLC0415

    return HuggingFaceTokenizer(settings.encoder, settings.max_words)
