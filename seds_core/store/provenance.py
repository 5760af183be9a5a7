"""What made a store, and in which points two makers differ."""

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

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

LATER_KEYS = (
    "decoding",
    "device",
    "settings.imported.signer",
    "weights.config_sha256",
    "weights.model_sha256",
    "weights.person_detector_sha256",
)
"""What the first stores did not record yet: a store that lacks it was not made otherwise, nobody
knows."""

_CONFIG = "weights.config_sha256"
_NAMES_OF_CONFIG = frozenset({"settings.pose.model", "weights.config"})
"""They decide only where the config's content is not recorded."""

DeviceKind = Literal["cpu", "cuda", "any", ""]
"""What computed the rows: ``any`` where several kinds were asked for, empty where nobody knows."""


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
    device: DeviceKind = ""
    """It decides the last bits."""
    decoding: int = 0
    """The number of the rules by which videos become frames; 0 where nobody knows."""
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
        older: dict[str, Any] = {"clip_frames": 0, "device": "", "decoding": 0}
        known = older | attributes
        return cls(**{name: known[name] for name in cls.__dataclass_fields__})

    @property
    def warning(self) -> str | None:
        """What everybody who uses the store must be told."""
        if not self.weights.get("is_random"):
            return None
        return f"the {self.kind} store holds features of RANDOM weights: they mean nothing"

    def differences(self, other: "Provenance") -> list[str]:
        """Sentences ``name: this side / other side``, for everything that decides rows.

        What only one side recorded because it is newer is no difference, nor is the device, which
        :meth:`accepts_device_of` compares where rows are added.
        """
        ours, theirs = self._leaves(), other._leaves()
        left_out = {"device", *self.recorded_by_one(other)}
        if _CONFIG in ours and _CONFIG in theirs:
            left_out |= _NAMES_OF_CONFIG
        return [
            f"{name}: {ours.get(name, 'not set')} / {theirs.get(name, 'not set')}"
            for name in sorted((ours.keys() | theirs.keys()) - left_out)
            if ours.get(name) != theirs.get(name)
        ]

    def recorded_by_one(self, other: "Provenance") -> list[str]:
        """What only one side recorded, because the first stores did not: nobody can compare it."""
        ours, theirs = self._leaves(), other._leaves()
        return [name for name in LATER_KEYS if (name in ours) != (name in theirs)]

    def accepts_device_of(self, other: "Provenance") -> bool:
        """Whether rows of the other's device may join: of the same kind, or of any, or unknown."""
        free = ("any", "")
        return self.device in free or other.device in free or self.device == other.device

    def refuse_others(self, path: Path, asked: "Provenance") -> None:
        """Raises :class:`StoreMismatchError` where the store at ``path``, which was made like this,
        must not get rows that are made as ``asked``."""
        if differences := self.differences(asked):
            listed = "\n".join(f"  {difference}" for difference in differences)
            raise StoreMismatchError(
                f"{path} was made with other settings (store / asked):\n{listed}\n"
                "Give another --out for a new store, or the settings of this one."
            )
        if not self.accepts_device_of(asked):
            raise StoreMismatchError(
                f"{path} was computed on a device of kind '{self.device}', and this run would add "
                f"rows of '{asked.device}', which differ in their last bits. Choose the same with "
                "--device, or allow both with --mix-devices"
            )

    def decided(self) -> dict[str, Any]:
        """Name -> value of everything that decides rows, as far as it is known."""
        leaves = self._leaves()
        left_out = _NAMES_OF_CONFIG if _CONFIG in leaves else frozenset()
        return {name: value for name, value in leaves.items() if name not in left_out}

    def digest(self) -> str:
        """Hexadecimal SHA-256 of :meth:`decided`: equal for rows that were made alike."""
        text = json.dumps(self.decided(), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def accepts(self, digest: str) -> bool:
        """Whether rows made under a digest are such as are asked for here."""
        kinds: tuple[DeviceKind, ...] = ("any", "cpu", "cuda")
        devices = kinds if self.device == "any" else (self.device,)
        return digest in {replace(self, device=device).digest() for device in devices}

    def _leaves(self) -> dict[str, Any]:
        leaves = _flat(self.to_attributes())
        unknown = {name for name in LATER_KEYS if not leaves.get(name)}
        return {name: value for name, value in leaves.items() if name not in FILE_NAMES | unknown}


def device_kind(device: str) -> DeviceKind:
    """Of a torch device's name.

    >>> device_kind("cuda:1")
    'cuda'
    """
    return "cuda" if device.startswith("cuda") else "cpu"


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
