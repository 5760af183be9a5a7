"""The engine: the best entries for a query, from one version of an index at a time."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from search.engine.candidates import by_codes, by_compressed
from search.engine.compression import CompressedTokens, Projection
from search.engine.exact import Rescaling, Searched, exhaustive, pruned
from search.engine.ragged_tokens import QueryTokens, RaggedTokens
from search.engine.scores import Query
from search.settings import SearchSettings
from train.settings import SimilaritySettings


@dataclass(frozen=True)
class Ranked:
    """Found entries, best first; equal ones in the order of the entries."""

    entries: Int64[np.ndarray, " hit"]
    scores: Float64[np.ndarray, " hit"]
    ranked_by: Float64[np.ndarray, " hit"]
    """The scores or, where they were rescaled, what became of them."""
    num_searched: int
    """Entries that might have been found."""
    is_exact: bool
    """Whether these are certainly the best; otherwise the best of the candidates."""


@dataclass(frozen=True)
class _Version:
    searched: Searched
    live: Int64[np.ndarray, " _"]


class Engine:
    """Searches in one version of an index; several threads may search while another updates.

    It holds no tokens: they stay in the memory maps of the index, and only what a query needs is
    read. So a further version costs nothing but a list of the entries that live.
    """

    def __init__(
        self, similarity: SimilaritySettings, settings: SearchSettings, projection: Projection
    ) -> None:
        self.similarity, self.settings, self.projection = similarity, settings, projection
        self._version: _Version | None = None

    def update(
        self,
        rows: RaggedTokens,
        compressed: CompressedTokens,
        is_live: Bool[np.ndarray, " entry"],
    ) -> None:
        """Searches in these entries from the next search on; those that run end with the old."""
        if (rows.num_real < 1).any():
            raise ValueError("every entry needs a real token: without one it has no score")
        longest = int(rows.num_tokens.max(initial=1))
        searched = Searched(rows, compressed, self.projection, longest)
        self._version = _Version(searched, np.flatnonzero(is_live))

    def search(
        self,
        query: QueryTokens,
        k: int,
        *,
        allowed: Bool[np.ndarray, " entry"] | None = None,
        exact: bool = False,
        rescaling: Rescaling | None = None,
    ) -> Ranked:
        """Returns the best k of the live entries that are allowed, or all where there are fewer.

        With ``rescaling``, which has a map for each entry, best is what is highest after it.

        Every entry is scored where there are few; otherwise candidates are, unless ``exact``.
        Raises ``ValueError`` for a query without a real word, or that is not finite.
        """
        version = self._version
        words = Query.of(query, self.similarity)
        if version is None:
            none = np.empty(0)
            return Ranked(np.empty(0, np.int64), none, none, 0, is_exact=True)
        entries = version.live if allowed is None else version.live[allowed[version.live]]
        searched = replace(version.searched, rescaling=rescaling)
        if k < 1 or len(entries) <= max(self.settings.exhaustive_below, k):
            found = exhaustive(searched, words, entries, max(k, 0))
            return _ranked(searched, *found, len(entries), is_exact=True)
        candidates = self._candidates(searched, words, entries, k)
        if exact:
            found = pruned(searched, words, entries, k, likely=candidates)
        else:
            found = exhaustive(searched, words, candidates, k)
        return _ranked(searched, *found, len(entries), is_exact=exact)

    def _candidates(
        self, searched: Searched, words: Query, entries: Int64[np.ndarray, " _"], k: int
    ) -> Int64[np.ndarray, " _"]:
        settings = self.settings
        number = max(settings.candidates, 4 * k)
        wide = max(settings.exhaustive_below, int(settings.first_share * len(entries)), 4 * number)
        likely = by_codes(searched, words, entries, wide)
        return by_compressed(searched, words, likely, number)


def _ranked(
    searched: Searched,
    entries: Int64[np.ndarray, " hit"],
    scores: Float64[np.ndarray, " hit"],
    num_searched: int,
    *,
    is_exact: bool,
) -> Ranked:
    return Ranked(entries, scores, searched.ranked_by(scores, entries), num_searched, is_exact)
