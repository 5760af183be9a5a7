"""Numbers of any precision in that of a store, and how many of them that changes."""

import numpy as np
from jaxtyping import Float32, Num


def as_float32(
    values: Num[np.ndarray, "*_"],
) -> tuple[Float32[np.ndarray, "*_"], int]:
    """The values as float32, and how many are others now.

    >>> as_float32(np.array([0.5, 0.1, np.nan]))[1]
    1
    """
    if values.dtype == np.float32:
        return values, 0
    with np.errstate(over="ignore"):  # what becomes infinite is counted
        rounded = values.astype(np.float32)
    is_same = (rounded == values) | (np.isnan(rounded) & np.isnan(values))
    return rounded, int(np.count_nonzero(~is_same))
