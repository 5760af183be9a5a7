"""The tokens of many videos, or the words of many sentences, of different numbers, in one array."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Int32, Int64, Integer
from torch import Tensor


@dataclass(frozen=True)
class RaggedTokens:
    """Tokens of unit length, entry after entry.

    With padding ``published`` every entry holds all of its slots, of which the first ``num_real``
    are real; with ``masked`` it holds the real ones alone. An array may be a memory map that is
    longer than what belongs to it: later entries are appended, and ``first`` says what counts.
    """

    tokens: Float16[np.ndarray, "token dim"]
    first: Int64[np.ndarray, " entry"]
    """Where each entry's tokens begin."""
    num_tokens: Int32[np.ndarray, " entry"]
    num_real: Int32[np.ndarray, " entry"]

    def __len__(self) -> int:
        return len(self.first)

    def of(self, entry: int) -> Float16[np.ndarray, "token dim"]:
        """The tokens of one entry, padding included."""
        first = self.first[entry]
        return self.tokens[first : first + self.num_tokens[entry]]

    def places(self, entries: Int64[np.ndarray, " entry"]) -> Int64[np.ndarray, " token"]:
        """Where the tokens of some entries lie, one entry after the other, padding included."""
        return token_places(self.first[entries], self.num_tokens[entries])


def token_places(
    first: Int64[np.ndarray, " entry"], counts: Integer[np.ndarray, " entry"]
) -> Int64[np.ndarray, " token"]:
    """The numbers from ``first`` on, as many as ``counts`` says, one run after the other.

    >>> token_places(np.array([10, 20]), np.array([3, 2]))
    array([10, 11, 12, 20, 21])
    """
    ends = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(first - (ends - counts), counts)


@dataclass(frozen=True)
class QueryTokens:
    """What is looked for: the words of a sentence or the tokens of a video, of unit length."""

    tokens: Float[Tensor, "word dim"]
    """On the CPU, in float32; padding included where the model's padding is ``published``."""
    is_real: Bool[Tensor, " word"]


def padded(
    rows: RaggedTokens, entries: Int64[np.ndarray, " entry"]
) -> tuple[Float[Tensor, "entry token dim"], Bool[Tensor, "entry token"]]:
    """Returns some entries' tokens in float32, filled up with zeros, and which are real."""
    longest = int(rows.num_tokens[entries].max(initial=1))
    tokens = torch.zeros(len(entries), longest, rows.tokens.shape[1])
    for row, entry in zip(tokens, entries, strict=True):
        values = rows.of(int(entry))
        row[: len(values)] = torch.from_numpy(values.astype(np.float32))
    num_real = torch.from_numpy(rows.num_real[entries])
    return tokens, torch.arange(longest) < num_real[:, None]
