"""One part of an index answers by itself: a query's tokens in, described hits out.

Arguments and results can be pickled, so that the part may be asked in another process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from search.engine.engine import Engine, Ranked
from search.engine.exact import Rescaling
from search.engine.ragged_tokens import QueryTokens, RaggedTokens, padded
from search.index.bank import Kind
from search.index.fitting import CALIBRATIONS, Calibrations, calibrations_from_json
from search.index.part import Part
from search.index.records import EntryRecord
from search.index.snapshot import Snapshot
from search.query.matching import EntryClips, word_matches, word_peaks
from search.query.moments import overlap, windows_of_moment
from search.results import Hit, Span, WordMatch
from seds_core.errors import UsageError
from train.evaluation import Normalisation
from train.evaluation.hubness import BankStatistics
from train.evaluation.scoring import score_all_pairs
from train.text.pieces import SentencePieces

NEIGHBOURS = 16
"""Windows on each side of the best one that a moment may have, and that it is compared with."""

MORE = 4
"""Times as many windows as moments are asked for at first, and again for as long as it lacks."""

MAX_VIDEO_IDS = 10
"""That a sentence is found with."""

AT_ONCE = 64
"""Windows whose tokens are in memory together, in single precision."""

CPU = torch.device("cpu")

UNKNOWN_SPANS = np.empty((0, 2), np.float32)

Filters = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class PartQuery:
    """What is looked for in a part."""

    tokens: QueryTokens
    k: int
    filters: Filters = field(default_factory=dict)
    exact: bool = False
    pieces: SentencePieces | None = None
    """Of a sentence: the hits then say where its words are."""
    without: tuple[str, Span | None] | None = None
    """A video, or what overlaps a span of it, that is not to be found."""
    normalise: Normalisation | None = None
    """What is taken off the scores before they rank; for sentences alone."""

    @property
    def sought(self) -> Float[Tensor, "word dim"]:
        """What is to be found in clips: the positions of words, or the clips of a video."""
        if self.pieces is None:
            return self.tokens.tokens[self.tokens.is_real][1:]
        return self.tokens.tokens[[n for n, w in enumerate(self.pieces.word_of) if w is not None]]


@dataclass(frozen=True)
class PartHits:
    """What was found in a part, best first; ranks count within it."""

    hits: tuple[Hit, ...]
    num_searched: int
    is_exact: bool
    unknown_filters: frozenset[tuple[str, str]]
    """Columns and values asked for that the part does not have."""
    num_answers: int = 0
    """Distinct sentences of the videos searched, and videos without one."""


@dataclass(frozen=True)
class FoundSentence:
    """A sentence of a part."""

    text: str
    score: float
    video_ids: tuple[str, ...]
    normalised: float | None = None


@dataclass(frozen=True)
class FoundEntry:
    """A video or window of a part, with its tokens."""

    part: Path
    record: EntryRecord
    tokens: QueryTokens
    num_entries: int
    """Of the whole video: more than one for a recording in windows."""


class PartSearch:
    """An open part and the engines over it; several threads may ask at once."""

    def __init__(self, part: Part) -> None:
        self.part = part
        identity = part.identity
        self._similarity = identity.settings.similarity
        self._tolerance = identity.search.moment_tolerance
        fitted = part.fact(CALIBRATIONS)
        self._calibrations: Calibrations = calibrations_from_json(fitted) if fitted else {}
        self._known_statistics: dict[Kind, tuple[Snapshot, BankStatistics | None]] = {}
        # The newest engines that were asked for, each with the version that it searches in.
        self._signs: tuple[Engine, Snapshot] | None = None
        self._sentences: tuple[Engine, Snapshot] | None = None

    @classmethod
    def open(cls, path: Path) -> "PartSearch":
        """Opens the part in a folder; raises like :meth:`Part.open`."""
        return cls(Part.open(path))

    def prepare(self) -> None:
        """Reads now what queries for videos need."""
        self._over_signs()

    def search(self, query: PartQuery) -> PartHits:
        """Finds the best videos, or moments of recordings."""
        engine, snapshot = self._over_signs()
        allowed, unknown = _allowed(snapshot, query)
        num_allowed = int(allowed.sum())
        if engine is None or not num_allowed:
            return PartHits((), num_allowed, is_exact=True, unknown_filters=unknown)
        has_windows = snapshot.identity.windows is not None
        rescaling = self._rescaling(snapshot, "signs", query.normalise)
        wanted = query.k * MORE if has_windows else query.k
        while True:
            ranked = engine.search(
                query.tokens, wanted, allowed=allowed, exact=query.exact, rescaling=rescaling
            )
            hits = self._described(snapshot, query, ranked)
            # Windows that overlap are one hit: where hits lack, there may be more windows.
            if len(hits) >= query.k or wanted >= num_allowed or not has_windows:
                found = tuple(hits[: query.k])
                num_answers = _num_answers(snapshot, allowed)
                return PartHits(found, num_allowed, ranked.is_exact, unknown, num_answers)
            wanted *= MORE

    def sentences(
        self,
        tokens: QueryTokens,
        k: int,
        *,
        exact: bool,
        normalise: Normalisation | None = None,
    ) -> list[FoundSentence]:
        """Finds the best of the sentences that live videos have."""
        engine, snapshot = self._over_sentences()
        if engine is None or not snapshot.sentence_is_live.any():
            return []
        ranked = engine.search(
            tokens,
            k,
            allowed=snapshot.sentence_is_live,
            exact=exact,
            rescaling=self._rescaling(snapshot, "words", normalise),
        )
        found = []
        texts = snapshot.texts(ranked.entries)
        for row, score, value, text in zip(
            ranked.entries, ranked.scores, ranked.ranked_by, texts, strict=True
        ):
            # Windows of one recording share its sentence.
            entries = snapshot.entries_with(int(row))[: MAX_VIDEO_IDS * MORE]
            ids = dict.fromkeys(record.video_id for record in snapshot.records(entries))
            normalised = None if normalise is None else float(value)
            found.append(FoundSentence(text, float(score), tuple(ids)[:MAX_VIDEO_IDS], normalised))
        return found

    def num_sentences(self) -> int:
        """Counts the sentences that live videos have."""
        return int(self.part.snapshot().sentence_is_live.sum())

    def calibrations(self) -> Calibrations:
        """Returns what turns scores into probabilities; nothing where the index cannot tell."""
        return self._calibrations

    def entry(
        self, video_id: str, span: Span | None = None, sentence: QueryTokens | None = None
    ) -> FoundEntry | None:
        """Returns a video, or a window of a recording; ``None`` for a video that is not there.

        Which window: of those that overlap ``span``, the one that is best for a sentence; without
        a sentence, the one whose middle is nearest to that of the span.
        """
        snapshot = self.part.snapshot()
        rows = snapshot.entries_of(video_id)
        if not rows:
            return None
        records = snapshot.records(rows)
        places = list(range(len(rows)))
        if len(rows) > 1 and span is not None:
            near = [n for n in places if overlap(records[n].span or span, span)]
            # A span beyond all windows means the nearest one.
            places = near or [min(places, key=lambda n: _distance(records[n].span, span))]
        if sentence is not None:
            scores = self._scores(snapshot, sentence, [rows[n] for n in places])
            place = places[int(scores.argmax())]
        else:
            place = min(places, key=lambda n: _distance(records[n].span, span))
        return FoundEntry(
            self.part.path, records[place], _tokens_of(snapshot.signs, rows[place]), len(rows)
        )

    def record(self, video_id: str) -> EntryRecord | None:
        """Returns what is known of a video's first entry."""
        snapshot = self.part.snapshot()
        return next(iter(snapshot.records(snapshot.entries_of(video_id)[:1])), None)

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Returns column -> values of live entries."""
        return self.part.snapshot().filter_values()

    def some_sentences(self, first: int, end: int) -> tuple[list[str], int]:
        """Returns sentences of the part by their rows, and how many there are in all."""
        snapshot = self.part.snapshot()
        total = len(snapshot.sentences)
        return snapshot.texts(range(first, max(first, min(end, total)))), total

    # A thread that comes with another version makes another engine, and those that search go on in
    # theirs: making one costs little, as it holds no tokens.
    def _over_signs(self) -> tuple[Engine | None, Snapshot]:
        snapshot, known = self.part.snapshot(), self._signs
        if known is not None and known[1] is snapshot:
            return known
        if (engine := self._engine(snapshot)) is None:
            return None, snapshot
        engine.update(snapshot.signs, snapshot.compressed_signs, snapshot.is_live)
        self._signs = engine, snapshot
        return engine, snapshot

    def _over_sentences(self) -> tuple[Engine | None, Snapshot]:
        snapshot, known = self.part.snapshot(), self._sentences
        if known is not None and known[1] is snapshot:
            return known
        if (engine := self._engine(snapshot)) is None:
            return None, snapshot
        engine.update(snapshot.sentences, snapshot.compressed_sentences, snapshot.sentence_is_live)
        self._sentences = engine, snapshot
        return engine, snapshot

    def _engine(self, snapshot: Snapshot) -> Engine | None:
        """An engine that has nothing to search in yet; ``None`` where the part has no tokens."""
        if snapshot.projection is None:
            return None
        return Engine(self._similarity, snapshot.identity.search, snapshot.projection)

    def _rescaling(
        self, snapshot: Snapshot, kind: Kind, how: Normalisation | None
    ) -> Rescaling | None:
        if how is None:
            return None
        known = self._known_statistics.get(kind)
        if known is None or known[0] is not snapshot:
            known = self._known_statistics[kind] = snapshot, snapshot.bank_statistics(kind)
        if known[1] is None:
            raise UsageError(
                f"the index {snapshot.part} does not know how everything in it scores with the "
                "training split of its run: run seds-search build again where that is, or leave "
                "--normalise out"
            )
        return Rescaling(*known[1].map_of(how))

    def _described(self, snapshot: Snapshot, query: PartQuery, ranked: Ranked) -> list[Hit]:
        """Hits of ranked entries, at most ``query.k``; windows of one moment are one hit."""
        hits: list[Hit] = []
        moments: dict[str, list[Span]] = {}
        records = snapshot.records(ranked.entries)
        for entry, score, value, record in zip(
            ranked.entries.tolist(), ranked.scores, ranked.ranked_by, records, strict=True
        ):
            rows, found, span = [entry], [record], record.span
            if span is not None:
                before = moments.setdefault(record.video_id, [])
                if any(overlap(span, moment) for moment in before):
                    continue
                rows, found = self._moment(snapshot, query, entry, record, before)
                span = _joined(found)
                before.append(span)
            hits.append(
                Hit(
                    rank=len(hits) + 1,
                    video_id=record.video_id,
                    path=record.path,
                    text=record.text,
                    span=span,
                    duration=record.duration,
                    score=float(score),
                    matches=self._matches(snapshot, query, rows, found),
                    columns=record.columns,
                    part=str(snapshot.part),
                    start=record.start,
                    normalised=None if query.normalise is None else float(value),
                )
            )
            if len(hits) == query.k:
                break
        return hits

    def _moment(
        self,
        snapshot: Snapshot,
        query: PartQuery,
        entry: int,
        record: EntryRecord,
        taken: Sequence[Span],
    ) -> tuple[list[int], list[EntryRecord]]:
        """The windows of the moment around the best one, in their order."""
        rows = snapshot.entries_of(record.video_id)
        place = rows.index(entry)
        first = max(0, place - NEIGHBOURS)
        rows = rows[first : place + NEIGHBOURS + 1]
        records = snapshot.records(rows)
        spans = [near.span for near in records]
        # In a windowed index, recordings that are shorter than a window have a span too.
        known = [span for span in spans if span is not None]
        assert len(known) == len(spans), "all windows of a recording have a span"
        found = windows_of_moment(
            self._scores(snapshot, query.tokens, rows),
            known,
            place - first,
            self._tolerance,
            peaks=word_peaks(query.sought, _clips_of(snapshot, rows, records)),
            taken=taken,
        )
        return rows[found.start : found.stop], records[found.start : found.stop]

    def _scores(
        self, snapshot: Snapshot, tokens: QueryTokens, rows: Sequence[int]
    ) -> Float32[np.ndarray, " entry"]:
        """Exact scores of some entries."""
        scores = []
        for first in range(0, len(rows), AT_ONCE):
            signs, is_real = padded(snapshot.signs, np.array(rows[first : first + AT_ONCE]))
            query = tokens.tokens[None], is_real, tokens.is_real[None]
            scores.append(score_all_pairs(signs, *query, self._similarity, device=CPU)[:, 0])
        return np.concatenate(scores)

    def _matches(
        self,
        snapshot: Snapshot,
        query: PartQuery,
        rows: Sequence[int],
        records: Sequence[EntryRecord],
    ) -> tuple[WordMatch, ...]:
        if query.pieces is None:
            return ()
        clips = _clips_of(snapshot, rows, records)
        return word_matches(query.tokens.tokens, query.pieces, clips)


def _num_answers(snapshot: Snapshot, allowed: Bool[np.ndarray, " entry"]) -> int:
    rows = snapshot.sentence_of_entry[allowed]
    has_sentence = rows >= 0
    num_sentences = np.count_nonzero(np.bincount(rows[has_sentence]))
    return int(num_sentences + np.count_nonzero(~has_sentence))


def _clips_of(
    snapshot: Snapshot, rows: Sequence[int], records: Sequence[EntryRecord]
) -> list[EntryClips]:
    """The clips of entries; none of one of which it is not known when each begins."""
    found = []
    for row, record in zip(rows, records, strict=True):
        tokens = snapshot.signs.of(row)[1 : int(snapshot.signs.num_real[row])]
        spans = record.clip_spans if len(record.clip_spans) == len(tokens) else UNKNOWN_SPANS
        found.append(EntryClips(tokens[: len(spans)], spans))
    return found


def _tokens_of(rows: RaggedTokens, row: int) -> QueryTokens:
    tokens = torch.from_numpy(rows.of(row).astype(np.float32))
    return QueryTokens(tokens, torch.arange(len(tokens)) < int(rows.num_real[row]))


def _distance(span: Span | None, other: Span | None) -> float:
    """Twice the time between the middles of two spans; nothing where one is not known."""
    return abs(sum(span) - sum(other)) if span and other else 0.0


def _joined(records: Sequence[EntryRecord]) -> Span:
    spans = [record.span for record in records if record.span is not None]
    return Span(min(span.start for span in spans), max(span.end for span in spans))


def _allowed(
    snapshot: Snapshot, query: PartQuery
) -> tuple[Bool[np.ndarray, " entry"], frozenset[tuple[str, str]]]:
    """Which entries may be found, and which filters the part does not know."""
    columns = snapshot.columns
    known = dict(zip(columns.names, columns.values, strict=True))
    unknown = {
        (name, value)
        for name, values in query.filters.items()
        for value in values
        if name not in known or (value and value not in known[name].values())
    }
    # A part that lacks a column has its empty value everywhere.
    here = {name: values for name, values in query.filters.items() if name in known}
    allowed = snapshot.allowed(here)
    if any(name not in known and "" not in values for name, values in query.filters.items()):
        allowed[:] = False
    if query.without is not None:
        video_id, span = query.without
        rows = snapshot.entries_of(video_id)
        for row, record in zip(rows, snapshot.records(rows), strict=True):
            if span is None or record.span is None or overlap(span, record.span):
                allowed[row] = False
    return allowed, frozenset(unknown)
