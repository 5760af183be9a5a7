"""What an import of weights did, to be printed and kept."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_SHOWN_IN_FULL = 10


@dataclass(frozen=True)
class ImportReport:
    """Every tensor of the file and of the model, by what became of it."""

    source: str
    """The file."""
    layout: str
    """What kind of file it is."""
    loaded: tuple[str, ...]
    """Tensors of the model that were filled."""
    missing: tuple[str, ...]
    """Tensors of the model that the file lacks; they stay as they were."""
    misfits: tuple[str, ...]
    """Tensors that both have in different sizes, with these; they stay as they were."""
    unused: tuple[str, ...]
    """Tensors of the file that this model has no use for."""
    unknown: tuple[str, ...]
    """Tensors of the file that no model of this kind should have."""

    def summary(self) -> str:
        """One line with all counts."""
        return (
            f"{self.source} ({self.layout}): {len(self.loaded)} tensors loaded, "
            f"{len(self.missing)} not in the file, {len(self.misfits)} of another size, "
            f"{len(self.unused)} not used, {len(self.unknown)} unknown"
        )

    def details(self) -> list[str]:
        """One line for each kind of tensor that was not loaded, without the kinds of none."""
        kinds = {
            "not in the file, left as they were": self.missing,
            "of another size, left as they were": self.misfits,
            "in the file, not used by this model": self.unused,
            "in the file, unknown": self.unknown,
        }
        return [f"{kind}: {condensed(names)}" for kind, names in kinds.items() if names]


def condensed(names: Iterable[str]) -> str:
    """Some names in full, many of them cut off at the number of their block and counted.

    >>> condensed(f"blocks.{number}.weight" for number in range(12))
    'blocks.* (12)'
    """
    names = list(names)
    if len(names) <= _SHOWN_IN_FULL:
        return ", ".join(names)
    groups = Counter(re.sub(r"\.\d+\..*", ".*", name) for name in names)
    return ", ".join(
        f"{group} ({count})" if count > 1 else group for group, count in groups.items()
    )
