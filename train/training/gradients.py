"""The gradients of one global batch's loss, the same for any number of processes and micro-batches.

A loss that compares all videos with all sentences cannot be split into the losses of their parts,
but its gradient can: it is computed for the tokens of the whole batch first, and every process then
carries the gradients of its own tokens into its encoders, micro-batch by micro-batch (cached
gradients: Gao et al. 2021, arXiv 2101.06983). What has to be in memory at once is the tokens of all
videos, and the inner values of one micro-batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
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
from train.model.batch_norm import share_of_momentum
from train.model.matching_losses import Losses, retrieval_losses
from train.model.normalisation import still_statistics
from train.model.retrieval_model import RetrievalModel
from train.precision import autocast
from train.processes import Processes
from train.random_states import DropoutState
from train.settings import LossSettings, Precision, SimilaritySettings


@dataclass(frozen=True)
class EncodedBatch:
    """The tokens of videos and sentences, not in half precision; or the tokens' gradients."""

    signs: SignTokens
    text: TextTokens
    augmented: TextTokens


Rows = TypeVar("Rows", TrainingBatch, EncodedBatch)


@dataclass(frozen=True)
class GradientPass:
    """From a process's share of a global batch to the global loss and its gradients."""

    model: RetrievalModel
    processes: Processes
    similarity: SimilaritySettings
    weights: LossSettings
    precision: Precision = "float32"
    micro_batch: int | None = None
    """Videos encoded at once; ``None``: all of the process's."""

    def __call__(self, batch: TrainingBatch, scaler: torch.amp.GradScaler) -> Losses:
        """Adds the gradients of the whole batch's loss, times the scaler's, to the parameters.

        Every process gets the same gradients and losses, and calls this at the same time.
        """
        pieces = list(micro_batches(batch, self.micro_batch))
        if len(pieces) == 1:
            encoded = self.encode(batch)
            losses, gradients = self._token_gradients(encoded, scaler)
            self._backward(encoded, gradients)
        else:
            losses = self._cached(pieces, scaler)
        self._sum_over_processes()
        return losses

    def encode(self, batch: TrainingBatch) -> EncodedBatch:
        """The tokens of some videos and sentences."""
        with autocast(self.processes.device, self.precision):
            # Which sentences are equal is known after waiting for the device: before there is much
            # to wait for.
            text, augmented = self.model.encode_twins(batch.text, batch.augmented)
            encoded = EncodedBatch(self.model.encode_signs(batch.signs), text, augmented)
        return map_tensors(_without_half_precision, encoded)

    def losses(self, encoded: EncodedBatch) -> Losses:
        """The losses of a whole batch."""
        return retrieval_losses(
            encoded.signs,
            encoded.text,
            encoded.augmented,
            self.model.scale,
            self.similarity,
            self.weights,
        )

    def _cached(self, pieces: list[TrainingBatch], scaler: torch.amp.GradScaler) -> Losses:
        """Encodes without a graph, and a second time, with the same dropout, for the gradients."""
        device = self.processes.device
        states, tokens = [], []
        for number, piece in enumerate(pieces):
            states.append(DropoutState.now(device))
            with torch.no_grad(), share_of_momentum(self.model, number, len(pieces)):
                tokens.append(self.encode(piece))
        losses, gradients = self._token_gradients(concatenated(tokens), scaler)
        shares = micro_batches(gradients, self.micro_batch)
        for piece, state, share in zip(pieces, states, shares, strict=True):
            state.restore(device)
            with still_statistics(self.model):
                encoded = self.encode(piece)
            self._backward(encoded, share)
        return losses

    def _token_gradients(
        self, encoded: EncodedBatch, scaler: torch.amp.GradScaler
    ) -> tuple[Losses, EncodedBatch]:
        """Losses of the batch of all processes, and their gradients for this process's tokens.

        The logit scale gets its gradient here, in every process the whole of it.
        """
        everyone = map_tensors(lambda rows: _leaf(self.processes.gather_rows(rows)), encoded)
        losses = self.losses(everyone)
        scaler.scale(losses.total).backward()  # type: ignore[no-untyped-call]
        num_rows = encoded.signs.token_is_real.shape[0]
        first = self.processes.rank * num_rows
        own = rows_of(map_tensors(_gradient, everyone), slice(first, first + num_rows))
        detached = Losses(losses.total.detach(), {k: v.detach() for k, v in losses.parts.items()})
        return detached, own

    def _backward(self, encoded: EncodedBatch, gradients: EncodedBatch) -> None:
        pairs = zip(tensors_of(encoded), tensors_of(gradients), strict=True)
        trained = [(tokens, gradient) for tokens, gradient in pairs if tokens.requires_grad]
        torch.autograd.backward(
            [tokens for tokens, _ in trained], [gradient for _, gradient in trained]
        )

    def _sum_over_processes(self) -> None:
        scale = self.model.logit_scale
        if scale.grad is not None:
            scale.grad /= self.processes.size
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        self.processes.sum_in_place(gradients)


def micro_batches(batch: Rows, size: int | None) -> Iterator[Rows]:
    """Runs of ``size`` rows; the last may be shorter."""
    num_rows = next(tensors_of(batch)).shape[0]
    for first in range(0, num_rows, size or num_rows):
        yield rows_of(batch, slice(first, first + (size or num_rows)))


def _without_half_precision(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_(tensor.is_floating_point())


def _gradient(leaf: Tensor) -> Tensor:
    """The leaf's gradient; nothing but zeros where the loss does not depend on it."""
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
