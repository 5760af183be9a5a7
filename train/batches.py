"""The values that travel from the data to the model and from the model to the losses.

Masks are true where something is real. There are as many ``clip`` slots as the stores allow a video
clips; the class token comes before them, so that ``token = 1 + clip``. The functions at the end
work on any dataclass of tensors and of such dataclasses.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

Tree = TypeVar("Tree")


@dataclass(frozen=True)
class ClipLayout:
    """Sizes that the stores determine and the model is built for."""

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
    """Nose and arms, in 256ths of the image or by the shoulders."""
    clip_starts: Int64[Tensor, "video clip"]
    """Frame that each clip begins with; -1 in slots without a clip."""


@dataclass(frozen=True)
class SignBatch:
    """Some videos, with the streams that are used; ``None`` for the others."""

    clip_is_real: Bool[Tensor, "video clip"]
    pose: PoseBatch | None
    rgb: Float[Tensor, "video clip rgb"] | None
    """Features of the clips, zeros in slots without one."""

    @property
    def num_videos(self) -> int:
        """Number of videos in the batch."""
        return self.clip_is_real.shape[0]

    def unusable_rows(self) -> list[int]:
        """Rows of the videos with a number that is not finite."""
        is_usable = torch.ones_like(self.clip_is_real[:, 0])
        for values in tensors_of(self):
            is_usable &= values.flatten(1).isfinite().all(dim=1)
        return (~is_usable).nonzero().flatten().tolist()


@dataclass(frozen=True)
class TextBatch:
    """Some sentences as tokens."""

    input_ids: Int64[Tensor, "text word"]
    word_is_real: Bool[Tensor, "text word"]
    """True for start, words and end."""


@dataclass(frozen=True)
class TrainingBatch:
    """Videos, their sentences and the augmented sentences, row by row."""

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
        """Name -> tokens of the streams that are used."""
        named = {"fusion": self.fusion, "pose": self.pose, "rgb": self.rgb}
        return {name: tokens for name, tokens in named.items() if tokens is not None}


@dataclass(frozen=True)
class TextTokens:
    """Encoded sentences."""

    words: Float[Tensor, "text word dim"]
    word_is_real: Bool[Tensor, "text word"]


def map_tensors(function: Callable[..., Tensor], first: Tree, *others: Tree) -> Tree:
    """Returns a dataclass like ``first`` with ``function(first's, others' ...)`` as tensors.

    Fields that are ``None`` stay so; dataclasses inside are treated alike.
    """

    def mapped(*trees: Any) -> Any:  # noqa: ANN401 - any dataclass
        if isinstance(trees[0], Tensor):
            return function(*trees)
        # is_dataclass is true of the classes themselves as well.
        if not is_dataclass(trees[0]) or isinstance(trees[0], type):
            return trees[0]
        names = [part.name for part in fields(trees[0])]
        return replace(trees[0], **{n: mapped(*(getattr(t, n) for t in trees)) for n in names})

    result: Tree = mapped(first, *others)
    return result


def tensors_of(tree: object) -> Iterator[Tensor]:
    """Yields all tensors in the order of the fields, the same for all trees of one structure."""
    if isinstance(tree, Tensor):
        yield tree
    elif is_dataclass(tree):
        for part in fields(tree):
            yield from tensors_of(getattr(tree, part.name))


def rows_of(tree: Tree, rows: slice) -> Tree:
    """Takes some rows of every tensor."""
    return map_tensors(lambda tensor: tensor[rows], tree)


def concatenated(trees: list[Tree]) -> Tree:
    """Puts the rows of all trees one after the other."""
    return map_tensors(lambda *parts: torch.cat(parts), *trees)


def on_device(tree: Tree, device: torch.device) -> Tree:
    """Copies all tensors to a device; copies from pinned memory do not wait."""
    return map_tensors(lambda tensor: tensor.to(device, non_blocking=True), tree)
