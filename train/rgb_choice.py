"""Which RGB features a model sees: those of one store, or a mix of several, as CiCo has it.

CiCo adds up the features of two video networks, 0.8 or 0.9 times one and the rest the other
(arXiv 2303.12793, section 3.2).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from pydantic import ValidationError

from seds_core.errors import UsageError
from train.settings import MixedStore

RgbChoice: TypeAlias = Path | tuple[MixedStore, ...]
"""One store, or several with their weights."""

_SUM_TOLERANCE = 1e-6


class MixError(UsageError):
    """Stores and weights that make no mix; the message says what to change."""


def rgb_choice(rgb: Sequence[Path], mix: Sequence[float]) -> RgbChoice | None:
    """What the command line names: ``--rgb`` and ``--mix``, each as often as it is given.

    ``None`` where no store is named, and the pipeline decides. Raises :class:`MixError`.
    """
    if len(rgb) <= 1 and not mix:
        return rgb[0] if rgb else None
    if len(rgb) != len(mix):
        raise MixError(
            f"--rgb names {len(rgb)} stores and --mix gives {len(mix)} weights: give every store "
            "its weight, such as --rgb a.zarr --mix 0.8 --rgb b.zarr --mix 0.2"
        )
    try:
        stores = tuple(MixedStore(store=s, mix=m) for s, m in zip(rgb, mix, strict=True))
    except ValidationError:
        raise MixError(f"--mix takes weights from 0 to 1, found {_listed(mix)}") from None
    check_mix(stores)
    return stores


def check_mix(stores: Sequence[MixedStore]) -> None:
    """Raises :class:`MixError` unless the weights sum to 1."""
    weights = [store.mix for store in stores]
    if abs(sum(weights) - 1) > _SUM_TOLERANCE:
        raise MixError(
            f"the weights of mixed RGB stores must sum to 1, found {_listed(weights)}: "
            f"together {sum(weights):g}"
        )


def _listed(weights: Sequence[float]) -> str:
    return ", ".join(f"{weight:g}" for weight in weights) or "none"
