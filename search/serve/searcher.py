"""What a server needs of whatever searches: one process's retriever, or parts held elsewhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from search.index.info import IndexInfo
from search.index.records import EntryRecord
from search.results import Alignment, Answer, SentenceHit, Span

Filters = Mapping[str, Sequence[str]]


@runtime_checkable
class Searcher(Protocol):
    """The calls of :class:`search.query.retriever.Retriever`; several threads make them at once."""

    def search(
        self, sentence: str, k: int = 10, *, filters: Filters | None = None, exact: bool = False
    ) -> Answer:
        """Finds videos for a sentence."""

    def like(
        self,
        video_id: str,
        k: int = 10,
        *,
        span: Span | None = None,
        filters: Filters | None = None,
        exact: bool = False,
    ) -> Answer:
        """Finds videos that are signed like one of the index, or like a moment of it."""

    def by_video(
        self,
        path: Path,
        k: int = 10,
        *,
        trim: Span | None = None,
        filters: Filters | None = None,
        exact: bool = False,
    ) -> Answer:
        """Finds videos that are signed like a file."""

    def sentences(
        self, video: Path | str, k: int = 10, *, trim: Span | None = None, exact: bool = False
    ) -> list[SentenceHit]:
        """Finds sentences for a file, or for a video of the index by its id."""

    def explain(
        self, video_id: str, sentence: str, *, span: Span | None = None
    ) -> tuple[Alignment, ...]:
        """Aligns a sentence's words with a video's clips, for each stream that can be had."""

    def video(self, video_id: str) -> EntryRecord:
        """Returns what the index knows of a whole video."""

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Returns the columns that can be filtered by, and their values."""

    def info(self) -> IndexInfo:
        """Returns what the index holds, in numbers."""
