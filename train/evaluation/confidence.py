"""Bootstrap confidence intervals of R@k.

Queries are drawn again, with replacement: sentences for text to video, videos for video to text.
The interval says how far R@k would move with other queries of the same kind against the same
candidates (percentile method, 95 %). It does *not* cover what another training seed changes (run
several), other candidates or a larger gallery, the choice of the checkpoint, or that queries of one
signer or one sentence resemble each other: it is too narrow where they do. Where all queries hit,
or none does, it has no width at all, which is no certainty.
"""

import numpy as np
from jaxtyping import Float

NUM_RESAMPLES = 2000
SEED = 0
PERCENTILES = (2.5, 97.5)

DRAWS_AT_ONCE = 2**21
"""Queries drawn together: a bound on memory that has no influence on the result."""


def bootstrap_intervals(
    hits: dict[int, Float[np.ndarray, " query"]], *, seed: int = SEED
) -> dict[int, tuple[float, float]]:
    """``k`` -> lower and upper end of R@k's interval in percent; all ``k`` see the same draws."""
    columns = list(hits.values())
    num_queries = len(columns[0])
    generator = np.random.default_rng(seed)
    means = np.empty((len(columns), NUM_RESAMPLES))
    rows = max(1, DRAWS_AT_ONCE // num_queries)
    for start in range(0, NUM_RESAMPLES, rows):
        shape = (min(rows, NUM_RESAMPLES - start), num_queries)
        drawn = generator.integers(0, num_queries, size=shape)
        for column, values in enumerate(columns):
            means[column, start : start + rows] = values[drawn].mean(axis=1)
    ends = 100 * np.percentile(means, PERCENTILES, axis=1)
    return {k: (float(low), float(high)) for k, (low, high) in zip(hits, ends.T, strict=True)}
