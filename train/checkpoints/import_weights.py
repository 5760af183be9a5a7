"""Fills a model with the weights of a file, whichever of the known kinds it is."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from seds_core.errors import UsageError
from seds_core.torch_files import read_tensors
from train.checkpoints.import_report import ImportReport
from train.checkpoints.weight_layouts import WeightLayout, recognised


def import_weights(model: nn.Module, path: Path) -> ImportReport:
    """Copies what a file and a model share into the model, and says what they do not share.

    The file is a checkpoint of a run of ours, a published SEDS checkpoint, SignBERT's pre-training
    or CLIP's weights, in half or full precision. Raises :class:`UsageError` for a file that cannot
    be read or has nothing for this model, and for sizes that differ where the file is made for the
    whole model.
    """
    return import_tensors(model, read_tensors(path), str(path))


@torch.no_grad()
def import_tensors(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> ImportReport:
    """The same for tensors that were read already; ``source`` names them in messages."""
    own = model.state_dict()
    layout = _layout_of(tensors, own, source)
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
            f"stores give: {_some(misfits)}"
        )
    for target, name in fitting.items():
        own[target].copy_(tensors[name].reshape(own[target].shape))
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


def _layout_of(
    tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], source: str
) -> WeightLayout:
    layout = recognised(tensors.keys(), own.keys())
    if layout is None:
        raise UsageError(
            f"{source} has no tensor for this model: expected a checkpoint of seds-train, a "
            f"published SEDS checkpoint, SignBERT's pre-training or CLIP's weights, found "
            f"{_some(tuple(tensors))}"
        )
    return layout


def _fits(tensor: Tensor, own: Tensor) -> bool:
    """Whether sizes agree; a published 1x1 convolution fits our linear layer."""
    sizes, rest = tensor.shape[: own.dim()], tensor.shape[own.dim() :]
    return sizes == own.shape and all(size == 1 for size in rest)


def _some(values: tuple[str, ...]) -> str:
    more = f" and {len(values) - 3} more" if len(values) > 3 else ""
    return ", ".join(values[:3]) + more
