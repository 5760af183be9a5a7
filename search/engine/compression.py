"""Small stand-ins for tokens, from which their similarities are bounded without reading them.

Symbols: x a stored token, y a token of the query, V the projection, whose columns are orthonormal.
What V keeps of a token is stored in whole multiples c of a step; what it loses is stored as two
lengths. With x' = x - V V^T x,

    <x, y>  =  <V^T x, V^T y> + <x', y'>  <=  <c, V^T y> + |V^T x - c| |V^T y| + |x'| |y'|

by the inequality of Cauchy and Schwarz. Both lengths are computed in float64 and rounded up to
float16, so that the bound holds for the stored numbers and not only nearly.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float16, Float32, Float64, Int8, UInt8

from search.engine.codebook import fit_codebook, nearest
from search.engine.ragged_tokens import RaggedTokens

LARGEST = 127
"""Of the whole numbers that a coordinate is stored as."""

ORTHONORMAL = 1e-6
"""How far V^T V may be from the identity, as its largest sum of a row's absolute differences.

A sum of the row bounds the spectral norm, and so what is lost by taking <x', y'> and |x'|^2 as if V
were orthonormal: at most so much for tokens of unit length. Rounding V to float32 costs 2e-7.
"""

TOKENS_AT_ONCE = 2048
"""Tokens that are compressed in one go."""


@dataclass(frozen=True)
class Projection:
    """The directions in which tokens differ most, and the steps of their coordinates."""

    matrix: Float32[np.ndarray, "dim coarse"]
    """V."""
    step: Float32[np.ndarray, " coarse"]
    """Coordinates are stored as multiples of it, at most :data:`LARGEST` to either side."""
    codebook: Float32[np.ndarray, "code coarse"]
    """Coordinates of the points that stand for all tokens; at most 256."""

    def __post_init__(self) -> None:
        matrix = self.matrix.astype(np.float64)
        difference = matrix.T @ matrix - np.eye(matrix.shape[1])
        if np.abs(difference).sum(axis=1).max() > ORTHONORMAL:
            raise ValueError("the columns of a projection have to be orthonormal")

    @classmethod
    def fit(cls, *samples: Float16[np.ndarray, "_ dim"], coarse_dim: int) -> "Projection":
        """Fits the directions to samples of tokens that count alike: signs, and words.

        At most as many directions as the tokens have dimensions. Most points of the codebook stand
        for the first sample. A sample may be empty, but not all of them.
        """
        wide = [sample.astype(np.float64) for sample in samples if len(sample)]
        # No mean is taken off: what is bounded is a product, and the mean is part of it.
        moments = sum(sample.T @ sample / len(sample) for sample in wide)
        directions = np.linalg.eigh(moments).eigenvectors[:, ::-1][:, :coarse_dim]
        matrix = np.ascontiguousarray(directions, dtype=np.float32)
        farthest = np.max([np.abs(sample @ matrix).max(axis=0) for sample in wide], axis=0)
        # A direction that no token of the samples has keeps a step that is not zero.
        step = np.maximum(farthest / LARGEST, 1e-6).astype(np.float32)
        return cls(matrix, step, fit_codebook([sample @ matrix for sample in wide]))

    def coordinates(self, tokens: Float[np.ndarray, "_ dim"]) -> Float64[np.ndarray, "_ coarse"]:
        """V^T x of every token."""
        return tokens.astype(np.float64) @ self.matrix

    def lost(
        self,
        tokens: Float[np.ndarray, "_ dim"],
        coordinates: Float64[np.ndarray, "_ coarse"],
    ) -> Float64[np.ndarray, " _"]:
        """Length of what the projection loses of every token, never too small: |x'|."""
        # einsum makes no copy of the squares.
        squared = np.einsum("td,td->t", tokens, tokens, dtype=np.float64)
        kept = np.einsum("tc,tc->t", coordinates, coordinates)
        return np.sqrt(np.maximum(squared - kept, 0) + ORTHONORMAL)


@dataclass(frozen=True)
class CompressedTokens:
    """What stands for the tokens, row by row beside them. Arrays may be memory maps."""

    coarse: Int8[np.ndarray, "token coarse"]
    """Coordinates in steps of the projection."""
    rounding: Float16[np.ndarray, " token"]
    """Length of what whole steps lose of the coordinates, or more: |V^T x - c|."""
    residual: Float16[np.ndarray, " token"]
    """Length of what the projection loses, or more: |x'|."""
    code: UInt8[np.ndarray, " token"]
    """Number of the nearest point of the codebook."""


def compress(rows: RaggedTokens, projection: Projection) -> CompressedTokens:
    """Compresses the tokens of all entries, one entry after the other.

    Where entries lie in their order and without gaps, as in an index, row for row beside the
    tokens. Every entry has a token.
    """
    places = rows.places(np.arange(len(rows)))
    coarse_dim = projection.matrix.shape[1]
    result = CompressedTokens(
        np.empty((len(places), coarse_dim), np.int8),
        np.empty(len(places), np.float16),
        np.empty(len(places), np.float16),
        np.empty(len(places), np.uint8),
    )
    for first in range(0, len(places), TOKENS_AT_ONCE):
        run = slice(first, first + TOKENS_AT_ONCE)
        # torch converts float16 several times as fast as numpy.
        tokens = torch.from_numpy(np.take(rows.tokens, places[run], axis=0)).double().numpy()

        coordinates = projection.coordinates(tokens)
        coarse = np.rint(coordinates / projection.step).clip(-LARGEST, LARGEST)
        lost = coordinates - coarse * projection.step.astype(np.float64)
        result.coarse[run] = coarse
        result.rounding[run] = rounded_up(np.linalg.norm(lost, axis=1))
        result.residual[run] = rounded_up(projection.lost(tokens, coordinates))
        result.code[run] = nearest(coordinates, projection.codebook)
    return result


def rounded_up(values: Float64[np.ndarray, " _"]) -> Float16[np.ndarray, " _"]:
    """The smallest float16 that are no less than the values.

    >>> rounded_up(np.array([0.5, 0.1])).astype(float)
    array([0.50048828, 0.10003662])
    """
    rounded = values.astype(np.float16)
    above = np.nextafter(rounded, np.float16(np.inf))
    # The values are sums and roots in float64, which may be too small themselves by their rounding.
    return np.where(rounded >= values * (1 + 1e-12), rounded, above).astype(np.float16)
