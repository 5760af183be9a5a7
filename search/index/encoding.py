"""Encodes what was read from the stores, and sentences, into the tokens that an index keeps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16
from torch import Tensor

from search.index.changes import NewSentence
from search.index.identity import IndexIdentity
from train.batches import SignBatch, on_device
from train.evaluation.load_model import RunModel
from train.evaluation.scoring import encode_text, evaluating
from train.model.fine_grained_similarity import unit_length
from train.model.retrieval_model import RetrievalModel
from train.precision import use_arithmetic
from train.settings import TrainSettings
from train.text.text_encoder import Tokenizer, build_tokenizer


@dataclass(frozen=True, eq=False)
class EncodedTokens:
    """The tokens of a video or sentence, as an index keeps them."""

    tokens: Float16[np.ndarray, "token dim"]
    """Of unit length; padding behind the real ones only where the model's softmax counts it."""
    num_real: int

    @property
    def is_finite(self) -> bool:
        """Whether the model made numbers of it."""
        return bool(np.isfinite(self.tokens).all())


@dataclass(frozen=True, eq=False)
class TokenEncoder:
    """A model that encodes for an index, on its device."""

    model: RetrievalModel
    tokenizer: Tokenizer
    settings: TrainSettings
    identity: IndexIdentity
    device: torch.device

    @classmethod
    def of_run(cls, run: RunModel, identity: IndexIdentity, device: torch.device) -> "TokenEncoder":
        """Takes a loaded model; from now on this process computes by its arithmetic settings."""
        use_arithmetic(run.settings.arithmetic)
        return cls(run.model, build_tokenizer(run.text), run.settings, identity, device)

    def videos(self, signs: SignBatch) -> list[EncodedTokens]:
        """Encodes videos into the tokens of the stage's stream."""
        with evaluating(self.model, self.device, self.settings.evaluation.precision):
            tokens = self.model.encode_signs(on_device(signs, self.device))
            units = unit_length(tokens.streams[self.identity.stage].float())
        return self._kept(units, tokens.token_is_real)

    def sentences(self, texts: Sequence[str]) -> list[NewSentence]:
        """Encodes sentences into their words."""
        found: list[NewSentence] = []
        size, precision = self.settings.evaluation.batch_size, self.settings.evaluation.precision
        for first in range(0, len(texts), size):
            some = texts[first : first + size]
            words = encode_text(
                self.model, self.tokenizer(some), device=self.device, precision=precision
            )
            kept = self._kept(words.words, words.word_is_real)
            found += [
                NewSentence(text, encoded.tokens, encoded.num_real)
                for text, encoded in zip(some, kept, strict=True)
            ]
        return found

    def _kept(
        self, units: Float[Tensor, "entry token dim"], is_real: Bool[Tensor, "entry token"]
    ) -> list[EncodedTokens]:
        values, counts = units.half().cpu().numpy(), is_real.sum(dim=1).tolist()
        # What is real comes first, in videos and in sentences.
        return [
            EncodedTokens(row if self.identity.keeps_padding else row[:count].copy(), count)
            for row, count in zip(values, counts, strict=True)
        ]
