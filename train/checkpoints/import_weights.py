"""Fills a model with weights of another run, of the publication, of SignBERT or of CLIP."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from seds_core.console import warn
from seds_core.errors import UsageError, first_names
from seds_core.torch_files import read_tensors
from train.checkpoints.published_names import recognised
from train.settings import StreamSettings, TextSettings

_SHOWN_IN_FULL = 10


@dataclass(frozen=True)
class ImportReport:
    """What became of every tensor of a file and of the model."""

    source: str
    """The file."""
    layout: str
    """What kind of file it is."""
    loaded: tuple[str, ...]
    """Tensors of the model that were filled."""
    missing: tuple[str, ...]
    """Tensors of the model that the file lacks; they stay as they were."""
    misfits: tuple[str, ...]
    """Tensors that both have in different sizes, with the sizes; they stay as they were."""
    unused: tuple[str, ...]
    """Tensors of the file that this model does not need."""
    unknown: tuple[str, ...]
    """Tensors of the file that no model of this kind should have."""

    def summary(self) -> str:
        """Returns one line with all counts."""
        return (
            f"{self.source} ({self.layout}): {len(self.loaded)} tensors loaded, "
            f"{len(self.missing)} not in the file, {len(self.misfits)} of another size, "
            f"{len(self.unused)} not used, {len(self.unknown)} unknown"
        )

    def details(self) -> list[str]:
        """Returns a line for each kind of tensor that was not loaded and of which there are any."""
        kinds = {
            "not in the file, left as they were": self.missing,
            "of another size, left as they were": self.misfits,
            "in the file, not used by this model": self.unused,
            "in the file, unknown": self.unknown,
        }
        return [f"{kind}: {condensed(names)}" for kind, names in kinds.items() if names]


def condensed(names: Iterable[str]) -> str:
    """Joins names, or where they are many, counts them by what stands before a block's number.

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


def import_weights(model: nn.Module, path: Path) -> ImportReport:
    """Copies what a file and a model share into the model, and reports what they do not share.

    The file is a checkpoint of a run, a published SEDS checkpoint, SignBERT's pre-training or
    CLIP's weights, in half or full precision. Raises :class:`UsageError` for a file that cannot be
    read or has nothing for this model, and for sizes that differ where the file is made for the
    whole model.
    """
    return import_tensors(model, read_tensors(path), str(path))


@torch.no_grad()
def import_tensors(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> ImportReport:
    """Does the same for tensors that were read already; ``source`` names them in messages."""
    own = model.state_dict()
    layout = recognised(tensors.keys(), own.keys())
    if layout is None:
        raise UsageError(
            f"{source} has no tensor for this model: expected a checkpoint of seds-train, a "
            "published SEDS checkpoint, SignBERT's pre-training or CLIP's weights, found "
            f"{first_names(tensors)}"
        )
    # One tensor of the file may be meant for several of the model: CLIP's for both streams.
    links = [
        (name, target) for name in tensors for target in layout.our_names(name) if target in own
    ]
    fitting = {target: name for name, target in links if _fits(tensors[name], own[target])}
    misfits = tuple(
        f"{name} {tuple(tensors[name].shape)} instead of {tuple(own[target].shape)}"
        for name, target in links
        if target not in fitting
    )
    if misfits and (layout.must_fit or not fitting):
        raise UsageError(
            f"{source} ({layout.title}) is made for other sizes than this pipeline's settings and "
            f"stores give: {first_names(misfits)}"
        )
    # A state dict holds the model's own tensors: filling them fills the model.
    for target, name in fitting.items():
        own[target].copy_(tensors[name].reshape(own[target].shape))
    # What is left is for another stage or of no use, both known, or is a surprise.
    without_target = tensors.keys() - {name for name, _ in links}
    is_known = {n: layout.is_unused(n) or bool(layout.our_names(n)) for n in without_target}
    return ImportReport(
        source=source,
        layout=layout.title,
        loaded=tuple(fitting),
        missing=tuple(target for target in own if target not in fitting),
        misfits=misfits,
        unused=tuple(sorted(name for name in is_known if is_known[name])),
        unknown=tuple(sorted(name for name in is_known if not is_known[name])),
    )


def _fits(tensor: Tensor, own: Tensor) -> bool:
    """Whether sizes agree; a published 1x1 convolution fits our linear layer."""
    sizes, rest = tensor.shape[: own.dim()], tensor.shape[own.dim() :]
    return sizes == own.shape and all(size == 1 for size in rest)


def start_streams(
    model: nn.Module, streams: StreamSettings, text: TextSettings
) -> ImportReport | None:
    """Copies CLIP's blocks, norms, class token and projection into the model's streams.

    The layer that reads clips stays random, and so do positions unless there are as many as CLIP
    has. Where all stays random, returns ``None``, with a warning unless the settings ask for it.
    Raises what :func:`~train.text.openai_clip.openai_clip_tensors` does.
    """
    if streams.initial == "random":
        return None
    if text.encoder != "clip" or text.weights == "random":
        warn("the streams start with random weights, because the text encoder has none of CLIP's")
        return None
    # Its library takes seconds to import, and only new models of CLIP need it.
    from train.text.openai_clip import openai_clip_tensors  # noqa: PLC0415

    # The text encoder fills itself with the other weights of the file.
    image = {n: t for n, t in openai_clip_tensors(text.weights).items() if n.startswith("visual.")}
    class_token = image.get("visual.class_embedding")
    if class_token is None or class_token.shape[0] != streams.width:
        found = "no" if class_token is None else f"a {class_token.shape[0]} wide"
        warn(
            f"the streams start with random weights, because text.weights has {found} image "
            f"transformer, and streams.width is {streams.width}"
        )
        return None
    return import_tensors(model, image, f"text.weights {text.weights}")
