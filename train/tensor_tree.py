"""Applies a function to all tensors inside nested dataclasses, such as a batch."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
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
