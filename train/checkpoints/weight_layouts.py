"""The kinds of weights files that can be imported, told apart by their tensors' names."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from train.checkpoints.published_names import is_unused, our_name

_POSE_ENCODER = re.compile(r"(?:^|\.)((?:st_gcn_(?:hand|body)|GCN_Conv)\..+)$")
_NOT_FROM_CLIP = re.compile(
    r"logit_scale|input_resolution|context_length|vocab_size|visual\.conv1\.weight"
)
"""CLIP's own scale and pixel input, and the sizes that its TorchScript files hold as tensors."""


@dataclass(frozen=True)
class WeightLayout:
    """One kind of file."""

    title: str
    """What a report calls it."""
    our_names: Callable[[str], tuple[str, ...]]
    """All tensors of our model that a tensor of the file is meant for."""
    is_unused: Callable[[str], bool]
    """Whether a tensor without one is known to be of no use."""
    must_fit: bool
    """Whether another size is an error; otherwise that tensor is left out."""


def _of_own_run(name: str) -> tuple[str, ...]:
    return (name,)


def _of_published(name: str) -> tuple[str, ...]:
    ours = our_name(name)
    return () if ours is None else (ours,)


def _of_signbert(name: str) -> tuple[str, ...]:
    """Whatever stands before the parts of the pose encoder is taken off."""
    match = _POSE_ENCODER.search(name)
    if match is None:
        return ()
    below = "" if match[1].startswith("GCN_Conv") else "embed."
    return _of_published(f"signbert.{below}{match[1]}")


def _of_clip(name: str) -> tuple[str, ...]:
    """The image transformer is meant for both streams."""
    if _NOT_FROM_CLIP.fullmatch(name):
        return ()
    prefixes = ("clip", "clip_rgb") if name.startswith("visual.") else ("clip",)
    return tuple(ours for prefix in prefixes for ours in _of_published(f"{prefix}.{name}"))


LAYOUTS = (
    WeightLayout("checkpoint of a run", _of_own_run, lambda _: False, must_fit=True),
    WeightLayout("published SEDS checkpoint", _of_published, is_unused, must_fit=True),
    # Assumed of the pre-training file: the same names as below ``signbert.embed`` of a published
    # checkpoint, behind ``GCN_Transform`` or any other prefix. Its graphs are computed here.
    WeightLayout("SignBERT pre-training", _of_signbert, is_unused, must_fit=True),
    # Only what agrees in size is taken over: 50 positions, for one, seldom do.
    WeightLayout(
        "CLIP", _of_clip, lambda name: bool(_NOT_FROM_CLIP.fullmatch(name)), must_fit=False
    ),
)


def recognised(names: Collection[str], own_names: Collection[str]) -> WeightLayout | None:
    """The layout that sees most tensors of the model in a file; ``None`` if none sees any."""

    def num_seen(layout: WeightLayout) -> int:
        return sum(any(ours in own_names for ours in layout.our_names(name)) for name in names)

    best = max(LAYOUTS, key=num_seen)
    return best if num_seen(best) else None
