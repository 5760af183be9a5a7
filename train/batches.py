"""What a batch holds, and trees of tensors in general."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

Tree = TypeVar("Tree")


def map_tensors(function: Callable[..., Tensor], first: Tree, *others: Tree) -> Tree:
    """A dataclass like ``first`` whose tensors are ``function(first's, others' ...)``.

    Fields that are ``None`` stay so; dataclasses inside are gone through as well.
    """
    return _map(function, first, *others)


def tensors_of(tree: object) -> Iterator[Tensor]:
    """All tensors in the order of the fields; those of two like dataclasses fit each other."""
    if isinstance(tree, Tensor):
        yield tree
    elif is_dataclass(tree):
        for part in fields(tree):
            yield from tensors_of(getattr(tree, part.name))


def rows_of(tree: Tree, rows: slice) -> Tree:
    """Some rows of every tensor."""
    return map_tensors(lambda tensor: tensor[rows], tree)


def concatenated(trees: list[Tree]) -> Tree:
    """The rows of all of them, one after the other."""
    return map_tensors(lambda *parts: torch.cat(parts), *trees)


def on_device(tree: Tree, device: torch.device) -> Tree:
    """The same tensors on a device; copies from pinned memory do not wait."""
    return map_tensors(lambda tensor: tensor.to(device, non_blocking=True), tree)


def _map(function: Callable[..., Tensor], *trees: Any) -> Any:  # noqa: ANN401 - any dataclass
    first = trees[0]
    if isinstance(first, Tensor):
        return function(*trees)
    if not is_dataclass(first) or isinstance(first, type):
        return first
    changed = {
        part.name: _map(function, *(getattr(tree, part.name) for tree in trees))
        for part in fields(first)
    }
    return replace(first, **changed)


# FROM train/batches.py
# The values that travel from the data to the model and from the model to the losses.
#
# Masks are true where something is real. ``clip`` slots are as many as the stores allow a video;
# the class token stands before them, so that ``token = 1 + clip``.


@dataclass(frozen=True)
class ClipLayout:
    """Sizes that the stores decide and the model is built for."""

    num_slots: int
    """Clips that a video can have at most."""
    clip_length: int
    """Frames of a clip."""
    rgb_dim: int | None
    """Size of a clip's RGB feature; ``None`` where RGB is not used."""


@dataclass(frozen=True)
class PoseBatch:
    """Keypoints of some videos, padded with frames of zeros: at least four after every video."""

    right: Float[Tensor, "video frame joint=21 coordinate=2"]
    """Right hands in their own 256-pixel box."""
    left: Float[Tensor, "video frame joint=21 coordinate=2"]
    """Left hands, mirrored to look like right ones."""
    body: Float[Tensor, "video frame joint=7 coordinate=2"]
    """Nose and arms, 256 the size of the image."""
    clip_starts: Int64[Tensor, "video clip"]
    """Frame that each clip begins with; -1 in slots without a clip."""


@dataclass(frozen=True)
class SignBatch:
    """Some videos, with the streams that are used."""

    clip_is_real: Bool[Tensor, "video clip"]
    pose: PoseBatch | None
    rgb: Float[Tensor, "video clip rgb"] | None
    """Features of the clips, zeros in slots without one."""

    @property
    def num_videos(self) -> int:
        """Videos in the batch."""
        return self.clip_is_real.shape[0]

    def unusable_rows(self) -> list[int]:
        """Videos with a number that is not finite."""
        is_usable = torch.ones_like(self.clip_is_real[:, 0])
        for values in tensors_of(self):
            is_usable &= values.flatten(1).isfinite().all(dim=1)
        return (~is_usable).nonzero().flatten().tolist()


@dataclass(frozen=True)
class TextBatch:
    """Some sentences as a tokenizer gave them."""

    input_ids: Int64[Tensor, "text word"]
    word_is_real: Bool[Tensor, "text word"]
    """True for start, words and end."""


@dataclass(frozen=True)
class TrainingBatch:
    """Videos, their sentences, and the sentences' augmented twins, row by row."""

    signs: SignBatch
    text: TextBatch
    augmented: TextBatch


@dataclass(frozen=True)
class SignTokens:
    """Encoded videos: one set of tokens a stream; ``None`` for streams that are not used."""

    token_is_real: Bool[Tensor, "video token"]
    pose: Float[Tensor, "video token dim"] | None = None
    rgb: Float[Tensor, "video token dim"] | None = None
    fusion: Float[Tensor, "video token dim"] | None = None

    @property
    def streams(self) -> dict[str, Tensor]:
        """The streams that are there, by name."""
        named = {"fusion": self.fusion, "pose": self.pose, "rgb": self.rgb}
        return {name: tokens for name, tokens in named.items() if tokens is not None}


@dataclass(frozen=True)
class TextTokens:
    """Encoded sentences."""

    words: Float[Tensor, "text word dim"]
    word_is_real: Bool[Tensor, "text word"]
