"""What made the rows of a store: the contract between extraction and training.

Everything that stage one decided and stage two must obey is a field of these dataclasses. On disk
it stands in the attributes ``settings`` and ``weights`` of the store's group, in the form of the
pipeline's ``extract`` section; :meth:`Provenance.to_attributes` and
:meth:`Provenance.from_attributes` are the only code that knows that form.
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeVar

from seds_core.errors import UsageError
from seds_core.store.layout import LAYOUT_VERSION, StoreKind

RECORDED_PACKAGES = ("seds", "torch", "torchvision", "numpy", "zarr", "decord", "av", "mmpose")

HandRules = Literal["phoenix-2014t", "csl-daily", "how2sign", "custom", "seen"]
"""The rules of each published data set that say whether a hand can be used; ``custom`` asks
nothing of a wrist's position."""

DeviceKind = Literal["cpu", "cuda", "any", ""]
"""What computed the rows: ``any`` where several kinds were asked for, empty where unknown."""

FILE_NAMES = frozenset(
    ("weights.name", "weights.source", "settings.rgb.weights", "settings.pose.checkpoint",
     "settings.pose.person_box_file")
)  # fmt: skip
"""Where files lay decides nothing: their checksums do."""

LATER_KEYS = (
    "decoding", "device", "settings.imported.signer", "weights.config_sha256",
    "weights.model_sha256", "weights.person_detector_sha256",
)  # fmt: skip
"""What the first stores did not record yet: lacking it is no sign that a store was made
differently."""

# The name and place of a model's config decide only where the config's content is not recorded.
_CONFIG = "weights.config_sha256"
_NAMES_OF_CONFIG = frozenset({"settings.pose.model", "weights.config"})


class StoreMismatchError(UsageError):
    """A store that was made with other settings than asked; the message names both sides."""


@dataclass(frozen=True, kw_only=True)
class _Recorded:
    """A group of values in a store's attributes; ``None`` stands for a value not recorded."""

    others: Mapping[str, Any] = field(default_factory=dict)
    """What a version with more fields recorded: it is compared and kept, but never read."""

    def recorded(self) -> dict[str, Any]:
        """Name -> value of what is recorded, as in the attributes."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        del own["others"]
        return {name: value for name, value in own.items() if value is not None} | dict(self.others)


_Group = TypeVar("_Group", bound=_Recorded)


def _read(group: type[_Group], recorded: Mapping[str, Any], where: str) -> _Group:
    """Raises ``KeyError`` with the full name of a value that is missing."""
    own = [each for each in fields(group) if each.name != "others"]
    for each in own:
        if each.default is MISSING and each.name not in recorded:
            raise KeyError(f"{where}.{each.name}")
    names = {each.name for each in own}
    others = {name: value for name, value in recorded.items() if name not in names}
    return group(**{name: recorded[name] for name in names & recorded.keys()}, others=others)


@dataclass(frozen=True, kw_only=True)
class TimelineRules(_Recorded):
    """Which frames of a video make its timeline (``settings.frames``)."""

    max_frames: int | None
    """A longer video keeps every k-th frame; ``None`` keeps all."""
    folder_fps: float | None = None
    """Frame rate of videos that are folders of images."""

    def recorded(self) -> dict[str, Any]:
        """Unlike elsewhere, ``None`` is a value: no limit."""
        return {"max_frames": self.max_frames} | super().recorded()


@dataclass(frozen=True, kw_only=True)
class ClipRules(_Recorded):
    """Which windows of the timeline are clips, and the network they went through
    (``settings.rgb``)."""

    backbone: str | None = None
    weights: str | None = None
    clip_length: int
    """Timeline frames in a clip."""
    clips: Literal["planned", "all"]
    """At most ``max_clips``, spread evenly, or every window."""
    max_clips: int
    frames: Literal["all", "hands"] | None = None
    """Whether frames without a usable hand are dropped before; not recorded means ``all``."""
    hand_rules: HandRules | None = None
    store_dtype: str | None = None
    precision: str | None = None

    @property
    def drops_frames(self) -> bool:
        """Whether clips are windows over the frames with a usable hand, and not over all."""
        return self.frames == "hands"


@dataclass(frozen=True, kw_only=True)
class ImportedFrom(_Recorded):
    """The files that imported rows were read from (``settings.imported``)."""

    format: str
    """Name of the import format."""
    confidence: str | None = None
    """What the third coordinate of keypoints is, in words."""
    signer: str | None = None
    """How one of several people was chosen, in words."""
    clip_frames_known: bool | None = None
    """Whether a pose store told which frames the clips show."""
    frame_names: str | None = None
    """How images were named: a template for ``%``."""
    first_number: int | None = None
    """Number in the name of a video's first image."""
    image_size: Sequence[int] | None = None
    """Width and height that were given for all videos."""

    def recorded(self) -> dict[str, Any]:
        """Formats that name images also record that no size was given."""
        if self.frame_names is None:
            return super().recorded()
        return super().recorded() | {"image_size": self.image_size and list(self.image_size)}


@dataclass(frozen=True, kw_only=True)
class WeightsRecord(_Recorded):
    """The network that made the rows, and the SHA-256 of all files that decide them
    (``weights``)."""

    name: str
    """What the weights or the model were asked for by."""
    config: str | None = None
    """The keypoint model's MMPose config, or MediaPipe's version and model."""
    source: str
    """Where the weights came from: a path, an address, a package, or how random ones were drawn."""
    sha256: str
    """Of the weights' file; of the tensors, or empty, where there is none."""
    is_random: bool
    config_sha256: str | None = None
    """Of what the config says of the model, with all that it inherits; empty for MediaPipe."""
    model_sha256: str | None = None
    """Of the files of a package that holds models; empty for MMPose."""
    person_detector_sha256: str | None = None
    person_box_file_sha256: str | None = None
    pose_store_sha256: str | None = None
    """:attr:`Provenance.rows_identity` of the pose store that told which frames to keep."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Everything that decides the rows of a store."""

    kind: StoreKind
    timeline: TimelineRules
    weights: WeightsRecord
    rgb: ClipRules | None = None
    """Only, and always, of RGB stores."""
    pose: Mapping[str, Any] | None = None
    """How keypoints were found, as in the pipeline: it is compared, and nothing else reads it."""
    imported_from: ImportedFrom | None = None
    """``None`` for rows that were extracted from videos."""
    feature_dim: int = 0
    feature_dtype: str = "float32"
    clip_frames: int = 0
    """Frames that the row array ``frames`` names for every clip; 0 for a store without it, whose
    clips are evenly spaced."""
    device: DeviceKind = ""
    """It decides the last bits."""
    decoding: int = 0
    """The number of the rules by which videos become frames; 0 where unknown."""
    layout_version: int = LAYOUT_VERSION
    others: Mapping[str, Any] = field(default_factory=dict)
    """Groups of settings that this version has no name for."""

    @classmethod
    def extracted(
        cls,
        settings: Mapping[str, Mapping[str, Any]],
        weights: WeightsRecord,
        *,
        feature_dim: int = 0,
        device: DeviceKind,
        decoding: int,
    ) -> "Provenance":
        """Of rows computed from videos; ``settings`` are the pipeline's ``frames`` and either its
        ``rgb`` or its ``pose``, as values of JSON."""
        keypoints = cls(
            kind="pose",
            timeline=_read(TimelineRules, settings["frames"], "settings.frames"),
            weights=weights,
            pose=settings.get("pose"),
            device=device,
            decoding=decoding,
        )
        if "rgb" not in settings:
            return keypoints
        rgb = _read(ClipRules, settings["rgb"], "settings.rgb")
        # Without a pose store, how frames are chosen by hands decides nothing.
        by_hands = weights.pose_store_sha256 is not None
        return replace(
            keypoints,
            kind="rgb",
            rgb=rgb if by_hands else replace(rgb, frames=None, hand_rules=None),
            feature_dim=feature_dim,
            feature_dtype=rgb.store_dtype or "float32",
            clip_frames=rgb.clip_length if by_hands else 0,
        )

    @classmethod
    def imported(
        cls,
        source: Path,
        imported_from: ImportedFrom,
        *,
        timeline: TimelineRules,
        rgb: ClipRules | None = None,
        feature_dim: int = 0,
        feature_dtype: str = "float32",
        clip_frames: int = 0,
        pose_store_sha256: str | None = None,
    ) -> "Provenance":
        """Of rows read from other programs' files: features where there are clip rules, else
        keypoints."""
        return cls(
            kind="rgb" if rgb else "pose",
            timeline=timeline,
            weights=WeightsRecord(
                name="imported",
                source=str(source),
                sha256="",
                is_random=False,
                pose_store_sha256=pose_store_sha256,
            ),
            rgb=rgb,
            imported_from=imported_from,
            feature_dim=feature_dim,
            feature_dtype=feature_dtype,
            clip_frames=clip_frames,
        )

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> "Provenance":
        """From the attributes of a store's group.

        Raises :class:`StoreMismatchError` for another layout version, and ``KeyError`` with the
        name of what is missing."""
        refuse_other_layout(attributes)
        kind, settings = attributes["kind"], dict(attributes["settings"])
        for group in ("frames", "rgb") if kind == "rgb" else ("frames",):
            if group not in settings:
                raise KeyError(f"settings.{group}")
        timeline = _read(TimelineRules, settings.pop("frames"), "settings.frames")
        imported = settings.pop("imported", None)
        return cls(
            kind=kind,
            timeline=timeline,
            weights=_read(WeightsRecord, attributes["weights"], "weights"),
            rgb=_read(ClipRules, settings.pop("rgb"), "settings.rgb") if kind == "rgb" else None,
            pose=settings.pop("pose", None),
            imported_from=imported and _read(ImportedFrom, imported, "settings.imported"),
            feature_dim=attributes["feature_dim"],
            feature_dtype=attributes["feature_dtype"],
            # The first stores lack these three.
            clip_frames=attributes.get("clip_frames", 0),
            device=attributes.get("device", ""),
            decoding=attributes.get("decoding", 0),
            others=settings,
        )

    def to_attributes(self) -> dict[str, Any]:
        """As the attributes of the store's group."""
        plain = ("feature_dim", "feature_dtype", "clip_frames", "device", "decoding")
        return {
            "kind": self.kind,
            "settings": self.recorded_settings,
            "weights": self.weights.recorded(),
            **{name: getattr(self, name) for name in (*plain, "layout_version")},
        }

    @property
    def recorded_settings(self) -> dict[str, Any]:
        """The attribute ``settings``: to print it, or to extract again with it."""
        groups = {
            "imported": self.imported_from and self.imported_from.recorded(),
            "frames": self.timeline.recorded(),
            "rgb": self.rgb and self.rgb.recorded(),
            "pose": None if self.pose is None else dict(self.pose),
            **self.others,
        }
        return {name: group for name, group in groups.items() if group is not None}

    @property
    def clips(self) -> ClipRules:
        """The clip rules of an RGB store."""
        assert self.rgb is not None, f"a {self.kind} store has no clips"
        return self.rgb

    @property
    def clip_slots(self) -> int | None:
        """Clips that any video of an RGB store has at most; ``None`` where there is no limit."""
        if self.clips.clips == "planned":
            return self.clips.max_clips
        if self.timeline.max_frames is None:
            return None
        return max(1, self.timeline.max_frames - self.clips.clip_length + 1)

    @property
    def warning(self) -> str | None:
        """What every user of the store must be told."""
        if not self.weights.is_random:
            return None
        return f"the {self.kind} store holds features of RANDOM weights: they mean nothing"

    @property
    def rows_identity(self) -> str:
        """SHA-256 of everything that decides the rows, but for the device.

        Unlike :meth:`digest` it leaves out what has the value of a store without features."""
        plain = {"feature_dim": 0, "feature_dtype": "float32", "clip_frames": 0}
        plain |= {"kind": "pose", "layout_version": LAYOUT_VERSION}
        decided = "\n".join(
            f"{name}: {value} / {plain.get(name, 'not set')}"
            for name, value in sorted(self.decided().items())
            if name != "device" and value != plain.get(name)
        )
        return hashlib.sha256(decided.encode()).hexdigest()

    def differences(self, other: "Provenance") -> list[str]:
        """Sentences ``name: this side / other side``, for everything that decides rows.

        Left out are the device, which :meth:`accepts_device_of` compares, and what only one side
        recorded because it is newer.
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
        """What only one side recorded, because the first stores did not, and cannot be compared."""
        ours, theirs = self._leaves(), other._leaves()
        return [name for name in LATER_KEYS if (name in ours) != (name in theirs)]

    def accepts_device_of(self, other: "Provenance") -> bool:
        """Whether rows of the other's device may join: of the same kind, or of any, or unknown."""
        free = ("any", "")
        return self.device in free or other.device in free or self.device == other.device

    def refuse_others(self, url: str, asked: "Provenance") -> None:
        """Raises :class:`StoreMismatchError` where the store there, which was made like this,
        must not get rows that are made as ``asked``."""
        if differences := self.differences(asked):
            listed = "\n".join(f"  {difference}" for difference in differences)
            raise StoreMismatchError(
                f"{url} was made with other settings (store / asked):\n{listed}\n"
                "Give another --out for a new store, or the settings of this one."
            )
        if not self.accepts_device_of(asked):
            raise StoreMismatchError(
                f"{url} was computed on a device of kind '{self.device}', and this run would add "
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
        # Dotted name -> value of the attributes, without what is unknown or decides nothing.
        leaves = _flat(self.to_attributes())
        unknown = {name for name in LATER_KEYS if not leaves.get(name)}
        return {name: value for name, value in leaves.items() if name not in FILE_NAMES | unknown}


def refuse_other_layout(attributes: Mapping[str, Any]) -> None:
    """Raises :class:`StoreMismatchError` for attributes of another layout version."""
    found = attributes.get("layout_version")
    if found != LAYOUT_VERSION:
        raise StoreMismatchError(
            f"the store has layout version {found}, this program reads {LAYOUT_VERSION}: "
            "extract into a new store, or use the version that wrote it"
        )


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


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            leaves |= _flat(value, f"{prefix}{name}.")
        else:
            leaves[f"{prefix}{name}"] = value
    return leaves
