"""How many items a network takes at once: fewer, once its device had no memory for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from seds_core.console import warn

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class PassSize:
    """The size that passes have for now; it only ever shrinks."""

    most: int

    def run(
        self, items: Sequence[Item], compute: Callable[[Sequence[Item]], Sequence[Result]]
    ) -> list[Result]:
        """One result an item, computed in passes of at most ``most``.

        A pass that finds no memory is done again at half the size, and so are all later ones.
        Raises what ``compute`` raises, lack of memory only for passes of one.
        """
        results: list[Result] = []
        while len(results) < len(items):
            some = items[len(results) : len(results) + self.most]
            try:
                results.extend(compute(some))
            except Exception as error:
                if self.most == 1 or not is_out_of_memory(error):
                    raise
                self.most //= 2
            else:
                continue
            _release_cached_memory()  # only now that the failed pass's tensors are gone
            warn(
                f"no memory for {len(some)} at once: the network takes {self.most} from now on, "
                "which may change the last bits of rows"
            )
        return results


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine, had no memory left."""
    import torch  # noqa: PLC0415 - takes seconds, and is there once anything computes

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    signs = ("ALLOC_FAILED", "DefaultCPUAllocator")  # cuBLAS and cuDNN; torch on a CPU
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def _release_cached_memory() -> None:
    import torch  # noqa: PLC0415

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
