"""One training step: gradients, their limits, the optimiser, the schedule."""

import math
from dataclasses import dataclass

import torch
from torch.optim import Optimizer

from seds_core.errors import UnavailableError
from train.batches import TrainingBatch, on_device
from train.data.collation import ADVICE, NOT_FINITE
from train.model.normalisation import restore_statistics, saved_statistics
from train.optimisation.optimiser import (
    current_rates,
    learning_rate_factor,
    set_rates,
    trained_parameters,
)
from train.settings import OptimisationSettings
from train.training.gradients import GradientPass

LARGEST_LOGIT_SCALE = math.log(100.0) - 1e-6
"""A little below the logarithm of 100: in float32 its exponential would be above 100, where the
model cuts the scale off and it would never learn again."""

MOST_SKIPPED_IN_A_ROW = 25
"""Steps without a finite result. A float16 run begins with a few; its loss scale then falls."""


class DivergedError(UnavailableError):
    """Raised when loss or gradients are not finite, step after step."""


@dataclass(frozen=True)
class StepReport:
    """What a step did."""

    loss: float
    parts: dict[str, float]
    """Loss of each stream, without its weight."""
    gradient_norm: float
    """Before it was limited."""
    rates: dict[str, float]
    scale: float
    """Of the scores, after the step."""
    is_skipped: bool
    """Loss or gradients were not finite, and the model is as it was."""
    unusable_rows: tuple[int, ...] = ()
    """Rows of this process's batch that were not finite to begin with."""


class TrainingStep:
    """Takes steps; between them it holds the optimiser, the scaler of float16 losses, and how many
    steps in a row were skipped."""

    def __init__(
        self,
        gradient_pass: GradientPass,
        optimiser: Optimizer,
        scaler: torch.amp.GradScaler,
        settings: OptimisationSettings,
        total_steps: int,
    ) -> None:
        """``total_steps`` of the whole run decide the schedule."""
        self.gradient_pass = gradient_pass
        self.optimiser = optimiser
        self.scaler = scaler
        self.settings = settings
        self.total_steps = total_steps
        self.skipped_in_a_row = 0
        self._parameters = [p for _, p in trained_parameters(gradient_pass.model)]

    def __call__(self, batch: TrainingBatch, step: int) -> StepReport:
        """Trains on this process's part of a batch; ``step`` counts those before.

        Raises :class:`DivergedError` after too many steps without a finite result.
        """
        model, processes = self.gradient_pass.model, self.gradient_pass.processes
        set_rates(
            self.optimiser, learning_rate_factor(step, self.total_steps, self.settings.warm_up)
        )
        self.optimiser.zero_grad()
        # The forward pass moves running statistics before it is known whether the step counts.
        statistics = saved_statistics(model)
        batch = on_device(batch, processes.device)
        losses = self.gradient_pass(batch, self.scaler)

        # Gradients are limited in their own units: what the loss was scaled by comes out first.
        self.scaler.unscale_(self.optimiser)
        limit = self.settings.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, limit).item()
        loss = losses.total.item()

        # Loss and gradients are the same in all processes, and so is what follows from them.
        is_finite = math.isfinite(loss) and math.isfinite(norm)
        if is_finite:
            self.scaler.step(self.optimiser)
            unusable, is_broken = [], False
        else:
            restore_statistics(model, statistics)
            unusable = batch.signs.unusable_rows()
            is_broken = bool(processes.largest(len(unusable)))
        # A loss that overflowed lowers the scale. Features that were broken to begin with, in
        # whichever process, say nothing about it.
        self.scaler.update(self.scaler.get_scale() if is_broken else None)
        with torch.no_grad():
            model.logit_scale.clamp_(max=LARGEST_LOGIT_SCALE)

        self.skipped_in_a_row = 0 if is_finite else self.skipped_in_a_row + 1
        if self.skipped_in_a_row > MOST_SKIPPED_IN_A_ROW:
            reason = (
                f"the features of videos in them {NOT_FINITE}: {ADVICE}"
                if is_broken
                else f"loss {loss:g}, gradient norm {norm:g}: lower optimisation.learning_rates, "
                "or use precision bfloat16 or float32"
            )
            raise DivergedError(
                f"training has diverged: {self.skipped_in_a_row} steps in a row up to step {step} "
                f"gave no finite result; {reason}"
            )
        return StepReport(
            loss=loss,
            parts={name: part.item() for name, part in losses.parts.items()},
            gradient_norm=norm,
            rates=current_rates(self.optimiser),
            scale=model.scale.item(),
            is_skipped=not is_finite,
            unusable_rows=tuple(unusable),
        )
