"""Whether a checkpoint may be evaluated on the stores at hand: they must be of its kind."""

from pathlib import Path
from typing import Any, get_args

from seds_core.errors import UsageError
from seds_core.store.layout import StoreKind
from seds_core.store.provenance import Provenance


class OtherStoresError(UsageError):
    """Stores that were made otherwise than those a model was trained on."""


def refuse_other_stores(
    trained_on: dict[str, Any], found: dict[str, Any], checkpoint: Path
) -> None:
    """Compares the stores of a training run with others; which videos they hold may differ.

    Both map ``rgb`` and ``pose`` to a store's path and provenance; other keys are passed over.
    Raises :class:`OtherStoresError`, naming every setting that differs.
    """
    kinds, own_kinds = _kinds(trained_on), _kinds(found)
    if kinds != own_kinds:
        raise OtherStoresError(
            f"{checkpoint} was trained on stores of kind {' and '.join(kinds)}; "
            f"evaluate it on the same kinds, found {' and '.join(own_kinds)}"
        )
    for kind in kinds:
        ours, theirs = (Provenance.from_attributes(side[kind]) for side in (found, trained_on))
        differences = ours.differences(theirs)
        if differences:
            raise OtherStoresError(
                f"the {kind} store {found[kind]['path']} was made otherwise than the one that "
                f"{checkpoint} was trained on (this store / trained on): {'; '.join(differences)}. "
                "Extract with the settings of the training data"
            )


def _kinds(provenance: dict[str, Any]) -> list[str]:
    return [kind for kind in get_args(StoreKind) if kind in provenance]
