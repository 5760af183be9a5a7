"""The optimiser that the published weights were made with: Adam as in the first BERT code."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

CACHED_NUMBERS = 2**17
"""Numbers of a parameter, its gradient and its moments that a CPU updates at once: few enough for
its caches, because the update passes over them several times."""

LAUNCHED_NUMBERS = 2**26
"""The same for a GPU, where few operations on many numbers are fastest."""

Columns = tuple[list[Tensor], ...]
"""Parameters, gradients, means and squares; entries of the same index belong together."""


class PublishedAdam(Optimizer):
    """Adam without bias correction, with weight decay beside the gradient and a limit on each
    tensor's gradient.

    With gradient g, after it has been shortened to a norm of at most ``clip_norm``:

        m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2,
        w <- w - rate (m / (sqrt(v) + epsilon) + decay w)    (Equation 20.)

    It differs from ``torch.optim.AdamW`` in that m and v start at zero and are used as they are,
    which makes first steps larger (``sqrt(v)`` is too small by more than ``m`` is), and in that the
    limit is on every tensor alone. Groups may have a ``weight_decay`` and an ``lr`` of their own.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        rate: float,
        betas: tuple[float, float],
        epsilon: float,
        weight_decay: float,
        clip_norm: float,
    ) -> None:
        defaults = {
            "lr": rate,
            "betas": betas,
            "eps": epsilon,
            "weight_decay": weight_decay,
            "clip_norm": clip_norm,
        }
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Changes every parameter that has a gradient; gradients are shortened in place."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:
                continue
            gradients = [p.grad for p in parameters if p.grad is not None]
            shorten_each(gradients, group["clip_norm"])
            # The moments of a parameter begin at zero with its first gradient.
            for parameter in parameters:
                state = self.state[parameter]
                if not state:
                    state["mean"] = torch.zeros_like(parameter)
                    state["square"] = torch.zeros_like(parameter)
            means = [self.state[parameter]["mean"] for parameter in parameters]
            squares = [self.state[parameter]["square"] for parameter in parameters]
            on_cpu = parameters[0].device.type == "cpu"
            size = CACHED_NUMBERS if on_cpu else LAUNCHED_NUMBERS
            for piece in pieces((parameters, gradients, means, squares), size):
                _step_piece(piece, group)
        return loss


def _step_piece(piece: Columns, group: dict[str, Any]) -> None:
    """Applies the class's formula to gradients that were shortened already."""
    parameters, gradients, means, squares = piece
    beta1, beta2 = group["betas"]
    # ``foreach`` operations take all tensors of the piece at once.
    torch._foreach_mul_(means, beta1)
    torch._foreach_add_(means, gradients, alpha=1 - beta1)
    torch._foreach_mul_(squares, beta2)
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
    # The root of the squares as they are: there is no bias correction.
    roots = torch._foreach_sqrt(squares)
    torch._foreach_add_(roots, group["eps"])
    updates = torch._foreach_div(means, roots)
    torch._foreach_add_(updates, parameters, alpha=group["weight_decay"])
    torch._foreach_add_(parameters, updates, alpha=-group["lr"])


def pieces(columns: Columns, size: int) -> Iterator[Columns]:
    """Cuts columns into runs of about ``size`` numbers; larger tensors into parts of their rows.

    The parts are views, so that an update in place changes the parameters and their state.
    """

    def parts_of(tensor: Tensor) -> tuple[Tensor, ...]:
        if tensor.numel() <= size:
            return (tensor,)
        return torch.split(tensor, max(1, size * len(tensor) // tensor.numel()))

    piece: Columns = tuple([] for _ in columns)
    num_numbers = 0
    for tensors in zip(*columns, strict=True):
        for parts in zip(*map(parts_of, tensors), strict=True):
            for column, part in zip(piece, parts, strict=True):
                column.append(part)
            num_numbers += parts[0].numel()
            if num_numbers >= size:
                yield piece
                piece, num_numbers = tuple([] for _ in columns), 0
    if num_numbers:
        yield piece


def shorten_each(gradients: list[Tensor], limit: float) -> None:
    """Scales every tensor whose norm is above ``limit`` down to it, in place."""
    norms = torch.stack(torch._foreach_norm(gradients))
    # 1e-6 as in torch.nn.utils.clip_grad_norm_, which the published optimiser calls.
    factors = torch.clamp(limit / (norms + 1e-6), max=1.0)
    torch._foreach_mul_(gradients, list(factors.unbind()))
