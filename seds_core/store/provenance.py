"""What made a store, and in which points two makers differ."""

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from seds_core.errors import UsageError
from seds_core.store.layout import LAYOUT_VERSION, StoreKind

RECORDED_PACKAGES = ("seds", "torch", "torchvision", "numpy", "zarr", "decord", "av", "mmpose")


FILE_NAMES = frozenset(
    {
        "weights.name",
        "weights.source",
        "settings.rgb.weights",
        "settings.pose.checkpoint",
        "settings.pose.person_box_file",
    }
)
"""Where files lay decides nothing: their checksums do."""


class StoreMismatchError(UsageError):
    """A store that was made otherwise than asked; the message names both sides."""


@dataclass(frozen=True)
class Provenance:
    """Everything that decides the rows of a store, and the software that made them."""

    kind: StoreKind
    settings: dict[str, Any]
    """The stream's settings; how fast rows are made (workers, batches) is not among them."""
    weights: dict[str, Any]
    """Name, source, SHA-256 and ``is_random`` of the frozen network, and the SHA-256 of other files
    that decide rows."""
    feature_dim: int = 0
    feature_dtype: str = "float32"
    clip_frames: int = 0
    """Frames that the row array ``frames`` names for every clip; 0 for a store without it, whose
    clips are evenly spaced."""
    layout_version: int = LAYOUT_VERSION

    def to_attributes(self) -> dict[str, Any]:
        """As the attributes of the store's group."""
        return asdict(self)

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any]) -> "Provenance":
        """From the attributes of a store's group; refuses another layout version."""
        found = attributes.get("layout_version")
        if found != LAYOUT_VERSION:
            raise StoreMismatchError(
                f"the store has layout version {found}, this program reads {LAYOUT_VERSION}: "
                "extract into a new store, or use the version that wrote it"
            )
        known = {"clip_frames": 0} | attributes  # stores of evenly spaced clips may lack it
        return cls(**{name: known[name] for name in cls.__dataclass_fields__})

    @property
    def warning(self) -> str | None:
        """What everybody who uses the store must be told."""
        if not self.weights.get("is_random"):
            return None
        return f"the {self.kind} store holds features of RANDOM weights: they mean nothing"

    def differences(self, other: "Provenance") -> list[str]:
        """Sentences ``name: this side / other side``, for everything that decides rows."""
        ours, theirs = _flat(self.to_attributes()), _flat(other.to_attributes())
        return [
            f"{name}: {ours.get(name, 'not set')} / {theirs.get(name, 'not set')}"
            for name in sorted((ours.keys() | theirs.keys()) - FILE_NAMES)
            if ours.get(name) != theirs.get(name)
        ]


def software_versions(packages: Sequence[str] = RECORDED_PACKAGES) -> dict[str, str]:
    """Versions of Python and of packages, by default those that rows depend on."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            leaves |= _flat(value, f"{prefix}{name}.")
        else:
            leaves[f"{prefix}{name}"] = value
    return leaves
