"""Which parameters learn how fast, and which decay."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from train.settings import LearningRates

RATE_OF_PART = {
    "text.projection": "fusion",
    "text": "text",
    "pose_stream": "streams",
    "rgb_stream": "streams",
    "logit_scale": "streams",
    "pose_encoder": "pose_encoder",
    "fusion": "fusion",
}
"""Parts of the retrieval model, and the field of the learning rates that says theirs; the first
part that a parameter belongs to counts."""


def parameter_groups(
    model: nn.Module, rates: LearningRates, weight_decay: float
) -> list[dict[str, Any]]:
    """Groups for an optimiser: for each learning rate, what decays and what does not.

    Biases do not decay (whatever has ``bias`` in its name, as published); frozen parameters are
    left out. ``highest`` keeps a group's highest rate while ``lr`` follows the schedule, and
    ``rate`` names it.
    """
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in trained_parameters(model):
        key = (rate_name(name), "bias" not in name)
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
    """Names and parameters that are not frozen, in the model's order."""
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def rate_name(parameter_name: str) -> str:
    """Which learning rate a parameter has.

    >>> rate_name("pose_stream.blocks.0.attention.out.weight")
    'streams'
    """
    return RATE_OF_PART[part_of(parameter_name)]


def part_of(parameter_name: str) -> str:
    """The first part that a parameter belongs to. Raises ``KeyError`` where there is none."""
    for part in RATE_OF_PART:
        if f"{parameter_name}.".startswith(f"{part}."):
            return part
    raise KeyError(parameter_name)
