"""Whether a checkpoint may be evaluated on the stores at hand: they must be of its kind."""

from pathlib import Path
from typing import Any, get_args

from seds_core.errors import UsageError
from seds_core.store.layout import Provenance, StoreKind


class OtherStoresError(UsageError):
    """Stores that were made otherwise than those a model was trained on."""


def refuse_other_stores(
    trained_on: dict[str, Any], found: dict[str, Any], checkpoint: Path
) -> None:
    """Compares the stores of a training run with others; which videos they hold may differ.

    Both map ``rgb`` and ``pose`` (``rgb_1``, ``rgb_2`` where features are mixed) to a store's path
    and provenance, and its weight in a mix; other keys are passed over. Raises
    :class:`OtherStoresError`, naming every setting that differs.
    """
    names, own_names = _names(trained_on), _names(found)
    if names != own_names:
        raise OtherStoresError(
            f"{checkpoint} was trained on stores of kind {' and '.join(names)}; "
            f"evaluate it on the same kinds, found {' and '.join(own_names)}"
        )
    for name in names:
        if differences := _differences(found[name], trained_on[name]):
            raise OtherStoresError(
                f"the {name} store {found[name]['path']} was made otherwise than the one that "
                f"{checkpoint} was trained on (this store / trained on): {'; '.join(differences)}. "
                "Extract with the settings of the training data, and mix with the same weights"
            )


def _differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    made, expected = (Provenance.from_attributes(side) for side in (ours, theirs))
    differences = made.differences(expected)
    if ours.get("mix") != theirs.get("mix"):
        differences.append(f"mix: {ours.get('mix')} / {theirs.get('mix')}")
    return differences


def _names(provenance: dict[str, Any]) -> list[str]:
    """Names of the stores: kinds, numbered where there are several of one."""
    kinds = get_args(StoreKind)
    return [n for kind in kinds for n in sorted(provenance) if n.split("_")[0] == kind]
