"""The optimiser, the groups of parameters that it moves, and how fast."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from train.optimisation.published_adam import PublishedAdam
from train.settings import LearningRates, OptimisationSettings

RATE_OF_PART = {
    "text.projection": "fusion",
    "text": "text",
    "pose_stream": "streams",
    "rgb_stream": "streams",
    "logit_scale": "streams",
    "pose_encoder": "pose_encoder",
    "fusion": "fusion",
}
"""Part of the retrieval model -> the field of ``LearningRates`` that holds its learning rate; the
first part that a parameter belongs to counts."""


def parameter_groups(
    model: nn.Module, rates: LearningRates, weight_decay: float
) -> list[dict[str, Any]]:
    """Returns groups for an optimiser: for each learning rate, what decays and what does not.

    Biases do not decay (whatever has ``bias`` in its name, as published); frozen parameters are
    left out. ``highest`` keeps a group's highest rate while ``lr`` follows the schedule, and
    ``rate`` names it.
    """
    # The order of groups is that of their first parameters. Checkpoints hold the optimiser's state
    # by the index of a parameter in it, so it must not change.
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in trained_parameters(model):
        key = (RATE_OF_PART[part_of(name)], "bias" not in name)
        groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": getattr(rates, rate),
            "highest": getattr(rates, rate),
            "rate": rate,
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (rate, decays), parameters in groups.items()
    ]


def trained_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yields names and parameters that are not frozen, in the model's order."""
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def part_of(parameter_name: str) -> str:
    """Returns the part of the model that a parameter belongs to; raises ``KeyError`` without one.

    >>> part_of("pose_stream.blocks.0.attention.out.weight"), part_of("text.projection.weight")
    ('pose_stream', 'text.projection')
    """
    for part in RATE_OF_PART:
        # With the dots a part matches whole words only, and a parameter that is a part itself.
        if f"{parameter_name}.".startswith(f"{part}."):
            return part
    raise KeyError(parameter_name)


def build_optimiser(model: nn.Module, settings: OptimisationSettings) -> Optimizer:
    """Builds the optimiser of all parameters that are not frozen."""
    groups = parameter_groups(model, settings.learning_rates, settings.weight_decay)
    betas = (settings.beta1, settings.beta2)
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(groups, betas=betas, eps=settings.epsilon)
    return PublishedAdam(
        groups,
        rate=0.0,  # every group has its own
        betas=betas,
        epsilon=settings.epsilon,
        weight_decay=settings.weight_decay,
        clip_norm=settings.clip_norm,
    )


def set_rates(optimiser: Optimizer, factor: float) -> None:
    """Sets every group's learning rate to its highest one times a factor."""
    for group in optimiser.param_groups:
        group["lr"] = group["highest"] * factor


def current_rates(optimiser: Optimizer) -> dict[str, float]:
    """Returns learning rates by name, such as ``{"text": 1e-05, "fusion": 0.0001}``."""
    return {group["rate"]: group["lr"] for group in optimiser.param_groups}


def learning_rate_factor(step: int, total_steps: int, warm_up: float) -> float:
    """Returns the learning-rate factor of a step: what multiplies the highest rates, from 0 to 1.

    ``step`` counts the steps done before, so that the very first one has a rate of zero where there
    is a warm-up; ``warm_up`` is a fraction of all steps. The cosine is one of all steps, not of
    those after the warm-up: the factor jumps down where the warm-up ends. As published.
    Equation 21.

    >>> [round(learning_rate_factor(step, 100, 0.1), 4) for step in (0, 5, 10, 50, 100)]
    [0.0, 0.5, 0.9755, 0.5, 0.0]
    """
    progress = step / total_steps
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1.0 + math.cos(math.pi * progress))
