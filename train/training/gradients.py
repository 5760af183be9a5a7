"""The gradients of one global batch's loss, the same for any number of processes and micro-batches.

A loss that compares all videos with all sentences cannot be split into the losses of their parts,
but its gradient can: it is computed for the tokens of the whole batch first, and every process then
carries the gradients of its own tokens into its encoders, micro-batch by micro-batch (cached
gradients: Gao et al. 2021, arXiv 2101.06983). What has to be in memory at once is the tokens of all
videos, and the inner values of one micro-batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from train.batches import (
    SignTokens,
    TextTokens,
    TrainingBatch,
    concatenated,
    map_tensors,
    rows_of,
    tensors_of,
)
from train.model.matching_losses import Losses, matching_targets, retrieval_losses
from train.model.normalisation import frozen_statistics, micro_batch_momentum
from train.model.retrieval_model import RetrievalModel
from train.precision import autocast
from train.processes import Processes
from train.random_states import DropoutState
from train.settings import LossSettings, Precision, SimilaritySettings, TargetSettings


@dataclass(frozen=True)
class EncodedBatch:
    """The tokens of videos and sentences, never in half precision; or the tokens' gradients."""

    signs: SignTokens
    text: TextTokens
    augmented: TextTokens
    written: Int64[Tensor, "video word"]
    """Each sentence as its tokens' numbers: equal rows are one sentence."""


Rows = TypeVar("Rows", TrainingBatch, EncodedBatch)


@dataclass(frozen=True)
class GradientPass:
    """Turns this process's part of a global batch into the global loss and its gradients."""

    model: RetrievalModel
    processes: Processes
    similarity: SimilaritySettings
    weights: LossSettings
    precision: Precision = "float32"
    micro_batch: int | None = None
    """Videos encoded at once; ``None``: all of the process's."""
    targets: TargetSettings = field(default_factory=TargetSettings)
    """What matches in a batch."""

    def __call__(self, batch: TrainingBatch, scaler: torch.amp.GradScaler) -> Losses:
        """Adds the gradients of the whole batch's loss, times the scaler's, to the parameters.

        Every process gets the same gradients and losses, and calls this at the same time.
        """
        device = self.processes.device
        pieces = list(micro_batches(batch, self.micro_batch))
        if len(pieces) == 1:
            # All inner values fit into memory: one forward pass serves the loss and the gradients.
            encoded = self.encode(batch)
            losses, gradients = self._token_gradients(encoded, scaler)
            _backward(encoded, gradients)
        else:
            # First pass, without a graph: tokens for the loss. It moves the running statistics
            # and the dropout generators as one pass over the whole batch would.
            states, tokens = [], []
            for index, piece in enumerate(pieces):
                states.append(DropoutState.now(device))
                with torch.no_grad(), micro_batch_momentum(self.model, index, len(pieces)):
                    tokens.append(self.encode(piece))
            losses, gradients = self._token_gradients(concatenated(tokens), scaler)

            # Second pass, with a graph: each micro-batch again with the dropout of its first time
            # and with frozen running statistics, so that it repeats the same function. The last
            # micro-batch leaves the generators where the first pass did.
            pieces_gradients = micro_batches(gradients, self.micro_batch)
            for piece, state, gradient in zip(pieces, states, pieces_gradients, strict=True):
                state.restore(device)
                with frozen_statistics(self.model):
                    encoded = self.encode(piece)
                _backward(encoded, gradient)

        # Every process holds the gradients of its own rows, but the whole gradient of the logit
        # scale, which would otherwise be counted once a process.
        scale = self.model.logit_scale
        if scale.grad is not None:
            scale.grad /= self.processes.size
        self.processes.sum_in_place([p.grad for p in self.model.parameters() if p.grad is not None])
        return losses

    def encode(self, batch: TrainingBatch) -> EncodedBatch:
        """Returns the tokens of some videos and sentences."""
        with autocast(self.processes.device, self.precision):
            # Text first: finding equal sentences waits for the device, which has little to finish
            # yet.
            text, augmented = self.model.encode_texts(batch.text, batch.augmented)
            signs = self.model.encode_signs(batch.signs)
            encoded = EncodedBatch(signs, text, augmented, batch.text.input_ids)
        halves = (torch.float16, torch.bfloat16)
        return map_tensors(lambda t: t.float() if t.dtype in halves else t, encoded)

    def losses(self, encoded: EncodedBatch) -> Losses:
        """Returns the losses of a whole batch."""
        return retrieval_losses(
            encoded.signs,
            encoded.text,
            encoded.augmented,
            self.model.scale,
            self.similarity,
            self.weights,
            matching_targets(same_rows(encoded.written), self.targets),
        )

    def _token_gradients(
        self, encoded: EncodedBatch, scaler: torch.amp.GradScaler
    ) -> tuple[Losses, EncodedBatch]:
        """Returns the losses of all processes' rows, and their gradients for this process's tokens.

        The logit scale gets its gradient here, in every process the whole of it.
        """

        def leaf(rows: Tensor) -> Tensor:
            gathered = self.processes.gather_rows(rows).detach()
            return gathered.requires_grad_(gathered.is_floating_point())

        def gradient(leaf: Tensor) -> Tensor:
            return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad

        # The gathered tokens are leaves: the backward pass of the loss ends at them, and never
        # crosses the processes.
        gathered = map_tensors(leaf, encoded)
        losses = self.losses(gathered)
        scaler.scale(losses.total).backward()  # type: ignore[no-untyped-call]
        num_rows = encoded.signs.token_is_real.shape[0]
        first = self.processes.rank * num_rows
        own = rows_of(map_tensors(gradient, gathered), slice(first, first + num_rows))
        parts = {name: part.detach() for name, part in losses.parts.items()}
        return Losses(losses.total.detach(), parts), own


def _backward(encoded: EncodedBatch, gradients: EncodedBatch) -> None:
    """Carries the gradients of tokens into the parameters; a frozen encoder's tokens have none."""
    pairs = zip(tensors_of(encoded), tensors_of(gradients), strict=True)
    trained = [(tokens, gradient) for tokens, gradient in pairs if tokens.requires_grad]
    torch.autograd.backward(
        [tokens for tokens, _ in trained], [gradient for _, gradient in trained]
    )


def same_rows(values: Int64[Tensor, "row _"]) -> Bool[Tensor, "row row"]:
    """Returns which rows equal which."""
    return (values[:, None] == values).all(dim=-1)


def micro_batches(batch: Rows, size: int | None) -> Iterator[Rows]:
    """Cuts a batch into runs of ``size`` rows; the last may be shorter."""
    num_rows = next(tensors_of(batch)).shape[0]
    for first in range(0, num_rows, size or num_rows):
        yield rows_of(batch, slice(first, first + (size or num_rows)))
