"""The RGB stores of a run: one, or several whose features are mixed.

CiCo adds up the features of two video networks, 0.8 or 0.9 times one and the rest the other (arXiv
2303.12793, section 3.2).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Int32
from pydantic import ValidationError

from seds_core.errors import UsageError
from seds_core.store.layout import StoreKind
from seds_core.store.place import StoreLocation
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader
from train.settings import MixedStore

RgbChoice: TypeAlias = StoreLocation | tuple[MixedStore, ...]
"""One store, or several with their weights."""

# In floating point 0.7 + 0.2 + 0.1 is a little less than 1.
_SUM_TOLERANCE = 1e-6


class MixError(UsageError):
    """Stores and weights that do not fit together; the message says what to change."""


def rgb_choice(rgb: Sequence[StoreLocation], mix: Sequence[float]) -> RgbChoice | None:
    """Returns the choice that all ``--rgb`` and ``--mix`` of a command line make together.

    ``None`` without a store: then the pipeline decides. Raises :class:`MixError`.
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


@dataclass(frozen=True)
class RgbStores:
    """Opened stores whose clips are made by the same rules, and a weight for each."""

    stores: tuple[StoreReader, ...]
    mix: tuple[float, ...]

    @property
    def clips(self) -> StoreReader:
        """The store that decides the clips."""
        return self.stores[0]

    @cached_property
    def video_ids(self) -> frozenset[str]:
        """Videos that all stores hold, with the same clips."""
        if len(self.stores) == 1:
            return frozenset(self.clips.videos)
        return frozenset(video for video, fault in self._faults.items() if not fault)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user must know before training: marks of the stores, unusable videos."""
        marks = [store.provenance.warning for store in self.stores]
        counts = Counter(self._faults.values()) if len(self.stores) > 1 else {}
        return (
            *(mark for mark in marks if mark),
            *(f"{count:,} videos {fault}" for fault, count in counts.items() if fault),
        )

    @property
    def provenance(self) -> dict[str, dict[str, Any]]:
        """Name of each store -> path, weight in a mix, and everything that decides its rows."""
        if len(self.stores) == 1:
            return {"rgb": {"path": str(self.clips.url), **self.clips.provenance.to_attributes()}}
        return {
            f"rgb_{number}": {
                "path": str(store.url), "mix": weight, **store.provenance.to_attributes(),
            }
            for number, (store, weight) in enumerate(zip(self.stores, self.mix, strict=True), 1)
        }  # fmt: skip

    @cached_property
    def _faults(self) -> dict[str, str]:
        """Video -> why its features cannot be mixed; ``""`` where they can."""
        first_frames = [first_frames_of(store) for store in self.stores]
        faults: dict[str, str] = {}
        for video_id in (video_id for store in self.stores for video_id in store.videos):
            if not all(video_id in store.videos for store in self.stores):
                faults[video_id] = "are in some of the mixed stores only and are left out"
                continue
            entries = [store.videos.rows(video_id) for store in self.stores]
            # Clips are the same where their first frames are: the rules are the same already.
            first, *others = (
                frames[entry.rows] for entry, frames in zip(entries, first_frames, strict=True)
            )
            same = all(np.array_equal(first, other) for other in others)
            faults[video_id] = (
                "" if same else "have other clips in the mixed stores and are left out"
            )
        return faults


def open_rgb(choice: RgbChoice) -> RgbStores:
    """Opens what a pipeline or the command line names.

    Raises :class:`MixError` for weights that do not sum to 1, and
    :class:`StoreMismatchError` for another kind of store and for two with other rules for clips.
    """
    if not isinstance(choice, tuple):
        return RgbStores((open_store("rgb", choice),), (1.0,))
    check_mix(choice)
    stores = tuple(open_store("rgb", part.store) for part in choice)
    # The first store's clips are those of all.
    first, *others = stores
    for other in others:
        ours, theirs = _clip_rules(first), _clip_rules(other)
        differing = [f"{n}: {ours[n]} / {theirs[n]}" for n in ours if ours[n] != theirs[n]]
        if differing:
            raise StoreMismatchError(
                f"the features of {first.url} and {other.url} cannot be mixed, because they were "
                f"made otherwise (first / second): {'; '.join(differing)}. Extract one of them "
                "again with the other's settings"
            )
    return RgbStores(stores, tuple(part.mix for part in choice))


def open_store(kind: StoreKind, location: StoreLocation) -> StoreReader:
    """Opens a store; raises :class:`StoreMismatchError` when it is not one of this kind."""
    store = StoreReader(location)
    if store.provenance.kind != kind:
        raise StoreMismatchError(
            f"{store.url} is a {store.provenance.kind} store where a {kind} store is needed"
        )
    return store


def first_frames_of(store: StoreReader) -> Int32[np.ndarray, " row"]:
    """Reads the frame that each clip of a store begins with; -1 where that is not known."""
    return store.arrays.read_rows("first_frame", 0, store.num_rows)


def _clip_rules(store: StoreReader) -> dict[str, object]:
    """All but the network: what decides the clips, and the size of a feature."""
    clips = store.provenance.clips
    return {
        "frames.max_frames": store.provenance.timeline.max_frames,
        "rgb.clip_length": clips.clip_length,
        "rgb.clips": clips.clips,
        "rgb.max_clips": clips.max_clips,
        "rgb.frames": clips.frames or "all",
        "rgb.hand_rules": clips.hand_rules,
        "feature_dim": store.provenance.feature_dim,
    }
