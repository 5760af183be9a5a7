"""What a store holds: its arrays, the version of its layout, and what made its rows."""

import hashlib
import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from seds_core.errors import UsageError

# FROM seds_core/store/layout.py
# The contract of a store: which arrays it holds, their axes, units and meaning.
#
# A store is a Zarr v3 group. ``rows/`` holds flat arrays with one entry a clip (RGB) or a frame
# (pose); ``videos/`` holds one entry a video, with the run of rows that it owns. Both grow at their
# end only. The group's attribute ``committed`` says how many entries count: whatever lies beyond
# was being written when a process died, and is overwritten by the next one.


LAYOUT_VERSION = 1

StoreKind = Literal["rgb", "pose"]


@dataclass(frozen=True)
class ArraySpec:
    """One array of a store."""

    name: str
    dtype: str
    axes: tuple[str, ...]
    """Axis names; the first one grows."""
    sizes: tuple[int, ...]
    """Sizes of the axes after the first."""
    unit: str
    description: str
    chunk: int
    """Entries read at once."""
    shard: int
    """Entries in one file; a whole number of chunks."""


def row_arrays(
    kind: StoreKind, *, feature_dim: int, feature_dtype: str, clip_frames: int
) -> tuple[ArraySpec, ...]:
    """The arrays below ``rows/`` of a store; a pose store has no use for the other arguments.

    ``clip_frames`` other than 0 adds ``frames``, for clips whose frames are not evenly spaced.
    """
    return _rgb_rows(feature_dim, feature_dtype, clip_frames) if kind == "rgb" else _POSE_ROWS


ELEMENT_BYTES = {"bool": 1, "float16": 2, "float32": 4, "int32": 4}
"""Of the types that row arrays have; the command lines read this file, and load no NumPy."""

CHUNK_BYTES = 256 * 1024
"""At most; a video's rows lie in two or three chunks."""

CHUNK_ROWS = 4_096
"""At most, for arrays with small rows."""

CHUNKS_PER_SHARD = 256
"""With the above a file of features has 64 MiB, and a store of 30,000 videos hundreds of files."""


def _row(
    name: str, dtype: str, axes: tuple[str, ...], sizes: tuple[int, ...], unit: str, text: str
) -> ArraySpec:
    """A row array; chunks are powers of two, so that the shards of two arrays end together."""
    fitting = CHUNK_BYTES // (ELEMENT_BYTES[dtype] * math.prod(sizes))
    chunk = min(CHUNK_ROWS, 2 ** (max(fitting, 1).bit_length() - 1))
    return ArraySpec(
        name, dtype, ("row", *axes), sizes, unit, text, chunk, chunk * CHUNKS_PER_SHARD
    )


def _rgb_rows(feature_dim: int, feature_dtype: str, clip_frames: int) -> tuple[ArraySpec, ...]:
    evenly_spaced = (
        _row("features", feature_dtype, ("rgb",), (feature_dim,), "1", "features of one clip"),
        _row("first_frame", "int32", (), (), "frame", "frame of the video that the clip begins with, from 0; -1 where that is not known"),
        _row("frame_step", "int32", (), (), "frame", "frames of the video from one frame of the clip to the next; 0 where they are not evenly spaced"),
    )  # fmt: skip
    if not clip_frames:
        return evenly_spaced
    frames = _row(
        "frames",
        "int32",
        ("frame",),
        (clip_frames,),
        "frame",
        "frames of the video that make the clip, from 0",
    )
    return (*evenly_spaced, frames)


_POSE_ROWS = (
    _row("keypoints", "float32", ("keypoint", "coordinate"), (133, 3), "pixel, pixel, 1",
         "COCO-WholeBody x, y in the upright video's pixels and confidence; NaN, NaN, 0 where nobody was found"),
    _row("person_found", "bool", (), (), "1", "whether a person was found in the frame"),
    _row("person_box", "float32", ("box",), (4,), "pixel",
         "left, top, right, bottom of the region given to the keypoint detector; NaN where there was none"),
    _row("frame", "int32", (), (), "frame", "frame of the video, from 0"),
)  # fmt: skip


def _column(name: str, dtype: str, unit: str, description: str) -> ArraySpec:
    return ArraySpec(name, dtype, ("video",), (), unit, description, 4_096, 65_536)


VIDEO_ARRAYS = (
    _column("video_id", "str", "", "name of the video in its data set"),
    _column("path", "str", "", "where the source was read"),
    _column("size_bytes", "int64", "byte", "size of the source; of all its images for a folder"),
    _column("mtime_ns", "int64", "ns", "time of the source's last change, since 1970"),
    _column("content_hash", "str", "", "BLAKE2b-128 of the source's bytes"),
    _column("num_frames", "int32", "frame", "frames that decoding gave, not what the container says"),
    _column("frame_step", "int32", "frame", "frames of the video from one timeline frame to the next"),
    _column("fps", "float64", "1/s", "average frame rate"),
    _column("duration", "float64", "s", "duration"),
    _column("width", "int32", "pixel", "width after rotation"),
    _column("height", "int32", "pixel", "height after rotation"),
    _column("first_row", "int64", "row", "first of the video's rows"),
    _column("num_rows", "int64", "row", "number of the video's rows"),
    _column("rows_checksum", "uint64", "", "first 8 bytes of BLAKE2b over the video's rows, array by array"),
)  # fmt: skip
"""The arrays below ``videos/``. Of several entries with one ``video_id`` the last one counts."""

ENTRY_CHECKSUM = _column("entry_checksum", "uint32", "", "CRC-32C of the video's other columns")
"""Also below ``videos/``, except in stores of earlier versions."""


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
