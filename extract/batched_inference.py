"""Batched inference that halves its batches for good once the device has no memory for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from seds_core.console import warn

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class BatchedInference:
    """Runs a network on batches; the batch size only ever shrinks."""

    batch_size: int

    def run(
        self, items: Sequence[Item], compute: Callable[[Sequence[Item]], Sequence[Result]]
    ) -> list[Result]:
        """One result per item, computed in batches of at most ``batch_size``.

        A batch that finds no memory is computed again at half the size. Raises what ``compute``
        raises, and lack of memory only for a batch of one.
        """
        results: list[Result] = []
        # A batch that finds no memory adds nothing, so that the next turn begins at the same item.
        while len(results) < len(items):
            batch = items[len(results) : len(results) + self.batch_size]
            try:
                results.extend(compute(batch))
            except Exception as error:
                if self.batch_size == 1 or not is_out_of_memory(error):
                    raise
                self.batch_size //= 2
            else:
                continue
            # Outside the handler, whose traceback would keep the failed batch's tensors alive.
            import torch  # noqa: PLC0415 - takes seconds, and is there once anything computes

            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            warn(
                f"no memory for a batch of {len(batch)}: batches have {self.batch_size} from now "
                "on, which may change the last bits of rows"
            )
        return results


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine, had no memory left."""
    import torch  # noqa: PLC0415 - takes seconds, and is there once anything computes

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    signs = ("ALLOC_FAILED", "DefaultCPUAllocator")  # cuBLAS and cuDNN; torch on a CPU
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)
