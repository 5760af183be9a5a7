"""From the settings to an optimiser, and from a step to its learning rates."""

import torch
from torch import nn
from torch.optim import Optimizer

from train.optimisation.parameter_groups import parameter_groups
from train.optimisation.published_adam import PublishedAdam
from train.settings import OptimisationSettings


def build_optimiser(model: nn.Module, settings: OptimisationSettings) -> Optimizer:
    """The optimiser over all of a model's parameters that are not frozen."""
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


def set_rates(optimiser: Optimizer, share: float) -> None:
    """Gives every group this share of its highest learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["highest"] * share


def current_rates(optimiser: Optimizer) -> dict[str, float]:
    """Learning rates by name, such as ``{"text": 1e-05, "fusion": 0.0001}``."""
    return {group["rate"]: group["lr"] for group in optimiser.param_groups}
