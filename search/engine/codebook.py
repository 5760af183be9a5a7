"""A few hundred points that stand for all tokens, and which of them stands for a token."""

import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

CODES = 256
"""As many as a byte can name."""

ROUNDS = 10
"""Of moving the points to the means of their tokens; later ones change little."""


def fit_codebook(
    samples: list[Float64[np.ndarray, "_ coarse"]],
) -> Float32[np.ndarray, "code coarse"]:
    """Finds points near the tokens of the samples by k-means (Lloyd), the same for the same tokens.

    The first sample gets three quarters of the points, the others share the rest.
    """
    shares = [CODES] if len(samples) == 1 else [CODES * 3 // 4]
    shares += [(CODES - shares[0]) // max(len(samples) - 1, 1)] * (len(samples) - 1)
    found = [_lloyd(sample, share) for sample, share in zip(samples, shares, strict=True)]
    return np.concatenate(found).astype(np.float32)


def _lloyd(
    sample: Float64[np.ndarray, "_ coarse"], num_codes: int
) -> Float32[np.ndarray, "code coarse"]:
    values = sample.astype(np.float32)
    # Seeded: the same tokens give the same index.
    order = np.random.default_rng(0).permutation(len(values))
    points = values[order[:num_codes]]
    for _ in range(ROUNDS):
        codes = nearest(values, points)
        counts = np.bincount(codes, minlength=len(points)).astype(np.float32)
        sums = np.zeros_like(points)
        np.add.at(sums, codes, values)
        # A point without tokens stays where it is.
        points = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], points)
    return points


def nearest(
    coordinates: Float[np.ndarray, "_ coarse"], codebook: Float32[np.ndarray, "code coarse"]
) -> UInt8[np.ndarray, " _"]:
    """The number of the point that is nearest to each token."""
    # |x - m|^2 is least where <x, m> - |m|^2 / 2 is most.
    halves = 0.5 * np.square(codebook).sum(axis=1)
    return (coordinates.astype(np.float32) @ codebook.T - halves).argmax(axis=1).astype(np.uint8)
