"""Search as a library: an index is loaded, and asked with sentences and with videos.

>>> Retriever.load("index").search("tomorrow it rains")  # doctest: +SKIP
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock

from rich.markup import escape

from search.engine.ragged_tokens import QueryTokens
from search.index.identity import IndexIdentity
from search.index.info import IndexInfo, info_of
from search.index.part import open_parts
from search.index.records import EntryRecord
from search.query.alignments import explained
from search.query.certainty import denial, with_probabilities
from search.query.part_search import (
    MAX_VIDEO_IDS,
    Filters,
    FoundEntry,
    FoundSentence,
    PartQuery,
    PartSearch,
)
from search.query.query_model import QueryModel
from search.query.sentence import SENTENCES_READ, IndexVocabulary
from search.results import Alignment, Answer, SentenceHit, Span
from seds_core.console import warn
from seds_core.errors import UsageError, first_names
from seds_core.video_id import video_id_of
from train.evaluation import Normalisation
from train.evaluation.calibration import BEST_ANSWERS, MatchCalibration
from train.evaluation.ranks import Direction

MAX_HITS = 1000
"""That a query may ask for."""


class VideoNotInIndexError(UsageError):
    """An id that no video of the index has."""


class Retriever:
    """Some indexes of one model, searched together; any number of threads may ask at once.

    Every query sees the newest version of every part. The model is loaded by the first query that
    needs it; a query by a video of the index needs none.
    """

    def __init__(self, parts: Sequence[PartSearch], model: QueryModel) -> None:
        self._parts = tuple(parts)
        self._model = model
        self._vocabulary = IndexVocabulary()
        self._num_learned = [0] * len(self._parts)
        self._learning = Lock()

    @classmethod
    def load(
        cls, *indexes: Path | str, device: str = "auto", run: Path | None = None
    ) -> "Retriever":
        """Opens indexes, each a part or a folder of parts.

        ``run`` is where the run lies now by whose model they were built. Raises ``UsageError`` for
        folders that are no index, indexes of different models, and another run.
        """
        parts = open_parts([Path(index) for index in indexes])
        first = parts[0]
        model = QueryModel(first.identity, first.path, run, device)
        return cls([PartSearch(part) for part in parts], model)

    @property
    def identity(self) -> IndexIdentity:
        """What the indexes were made by."""
        return self._parts[0].part.identity

    def warm_up(self, *, videos: bool = False) -> None:
        """Loads the model and the engines now; ``videos`` also loads the networks of stage one."""
        self._model.sentences()
        for part in self._parts:
            part.prepare()
        if videos:
            self._model.videos().prepare()

    def search(
        self,
        sentence: str,
        k: int = 10,
        *,
        filters: Filters | None = None,
        exact: bool = False,
        normalise: Normalisation | None = None,
    ) -> Answer:
        """Finds videos for a sentence, or moments of long recordings.

        ``filters`` maps columns to values of which a video has one. With ``normalise``, videos that
        score high with any sentence rank lower (:mod:`train.evaluation.hubness`). Raises
        ``SentenceError`` for a sentence that cannot be looked for, and ``UsageError`` for an
        unknown filter and an index that cannot be normalised.
        """
        encode = self._model.sentences()
        vocabulary = self._learned()
        began = time.perf_counter()
        found = encode(sentence, vocabulary)
        _check_count(k)
        # Probabilities need the best answers, however few are asked for.
        query = PartQuery(
            found.tokens, max(k, BEST_ANSWERS), filters or {}, exact, found.pieces,
            normalise=normalise,
        )  # fmt: skip
        answer, num_answers = self._answer(query, began, found.warnings)
        calibration = self._calibration("text_to_video", normalise)
        hits, none_probability = with_probabilities(answer.hits, calibration, num_answers)
        return replace(
            answer,
            hits=tuple(hits[:k]),
            none_probability=none_probability,
            warnings=(*answer.warnings, *denial(none_probability)),
            seconds=time.perf_counter() - began,
        )

    def like(
        self,
        video_id: str,
        k: int = 10,
        *,
        span: Span | None = None,
        filters: Filters | None = None,
        exact: bool = False,
    ) -> Answer:
        """Finds videos that are signed like one of the index, which is not among them itself.

        Of a recording in windows, ``span`` says which moment is meant. Raises
        :class:`VideoNotInIndexError`, and ``UsageError`` for a recording without a ``span``.
        """
        began = time.perf_counter()
        entry = self._meant(video_id, span)
        without = (entry.record.video_id, entry.record.span)
        query = PartQuery(entry.tokens, k, filters or {}, exact, without=without)
        return self._answer(query, began)[0]

    def by_video(
        self,
        path: Path | str,
        k: int = 10,
        *,
        trim: Span | None = None,
        filters: Filters | None = None,
        exact: bool = False,
    ) -> Answer:
        """Finds videos that are signed like a file, or like the seconds ``trim`` of it.

        Raises like :class:`~search.query.video.VideoEncoder`.
        """
        encode = self._model.videos()
        encode.prepare()
        began = time.perf_counter()
        found = encode(Path(path), trim)
        windows = self.identity.windows
        warnings = list(found.warnings)
        if windows is not None and found.seconds > 2 * windows.length:
            warnings.append(
                f"the video has {found.seconds:.1f} s, and the index holds windows of "
                f"{windows.length:g} s: take the part that shows one of them"
            )
        query = PartQuery(found.tokens, k, filters or {}, exact)
        return self._answer(query, began, warnings)[0]

    def sentences(
        self,
        video: Path | str,
        k: int = 10,
        *,
        trim: Span | None = None,
        exact: bool = False,
        normalise: Normalisation | None = None,
    ) -> list[SentenceHit]:
        """Finds sentences of the index for a video: a file by its path, one of the index by its id.

        Of a recording in windows, ``trim`` says which moment is meant. With ``normalise``,
        sentences that score high with any video rank lower. Raises like :meth:`by_video`,
        :meth:`like` and :meth:`search`.
        """
        _check_count(k)
        if isinstance(video, Path):
            found = self._model.videos()(video, trim)
            tokens = found.tokens
            _warn(found.warnings)
        else:
            tokens = self._meant(video, trim).tokens
        best: dict[str, FoundSentence] = {}
        ids: dict[str, list[str]] = {}
        for part in self._parts:
            for hit in part.sentences(
                tokens, max(k, BEST_ANSWERS), exact=exact, normalise=normalise
            ):
                # Parts may share a sentence; by another device its score may differ in a last bit.
                known = best.setdefault(hit.text, hit)
                best[hit.text] = max(known, hit, key=lambda one: one.score)
                ids.setdefault(hit.text, []).extend(hit.video_ids)
        hits = [
            SentenceHit(
                0, hit.text, hit.score, tuple(dict.fromkeys(ids[hit.text]))[:MAX_VIDEO_IDS],
                hit.normalised,
            )
            for hit in best.values()
        ]  # fmt: skip
        hits.sort(key=lambda hit: (-hit.ranked_by, hit.text))
        calibration = self._calibration("video_to_text", normalise)
        num_sentences = sum(part.num_sentences() for part in self._parts)
        told, _ = with_probabilities(hits, calibration, num_sentences)
        return [replace(hit, rank=rank) for rank, hit in enumerate(told[:k], 1)]

    def explain(
        self, video_id: str, sentence: str, *, span: Span | None = None
    ) -> tuple[Alignment, ...]:
        """Aligns a sentence's words with a video's clips: for the stream that ranks, then others.

        The others need the stores of the index's run where they were. Of a recording in windows,
        ``span`` says which moment is meant; without it, the best window is taken. Raises
        :class:`VideoNotInIndexError` and ``SentenceError``.
        """
        query = self._model.sentences()(sentence)
        _warn(query.warnings)
        entry = self._entry(video_id, span, query.tokens)
        return explained(entry, query, self._model.run())

    def video(self, video_id: str) -> EntryRecord:
        """Returns what is known of a whole video; raises :class:`VideoNotInIndexError`."""
        for part in self._parts:
            if record := part.record(video_id_of(video_id)):
                # The clips of a window are not those of the recording.
                clips = record.clip_spans[:0] if record.span else record.clip_spans
                return replace(record, span=None, clip_spans=clips)
        raise self._not_there(video_id)

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Returns the columns to filter by, and their values."""
        values: dict[str, set[str]] = {}
        for part in self._parts:
            for column, of_part in part.filters().items():
                values.setdefault(column, set()).update(of_part)
        return {column: tuple(sorted(found)) for column, found in values.items()}

    def info(self) -> IndexInfo:
        """Returns what the indexes hold, in numbers."""
        return info_of([part.part for part in self._parts])

    def close(self) -> None:
        """Closes the parts, and ends the processes that queries have started."""
        self._model.close()
        for part in self._parts:
            part.part.close()

    def _calibration(
        self, direction: Direction, normalise: Normalisation | None
    ) -> MatchCalibration | None:
        # Parts of one model were fitted to the same data.
        return self._parts[0].calibrations().get(direction, {}).get(normalise)

    def _answer(
        self, query: PartQuery, began: float, warnings: Sequence[str] = ()
    ) -> tuple[Answer, int]:
        """Asks all parts and merges what they found; also returns how many answers there were."""
        _check_count(query.k)
        found = [part.search(query) for part in self._parts]
        unknown = frozenset.intersection(*(part.unknown_filters for part in found))
        if unknown:
            raise UsageError(self._unknown_filter(*min(unknown)))
        hits = [hit for part in found for hit in part.hits]
        hits.sort(key=lambda hit: (-hit.ranked_by, hit.video_id, hit.span or (0.0, 0.0), hit.part))
        answer = Answer(
            hits=tuple(replace(hit, rank=rank) for rank, hit in enumerate(hits[: query.k], 1)),
            warnings=tuple(warnings),
            seconds=time.perf_counter() - began,
            num_searched=sum(part.num_searched for part in found),
            exact=all(part.is_exact for part in found),
        )
        return answer, sum(part.num_answers for part in found)

    def _unknown_filter(self, column: str, value: str) -> str:
        known = self.filters()
        if column not in known:
            names = first_names(list(known), shown=20) or "none"
            return f"the index has no column '{column}' to filter by; it has: {names}"
        values = first_names([f"'{known_value}'" for known_value in known[column]], shown=20)
        return f"no video of the index has {column}={value}; {column} may be {values or 'empty'}"

    def _entry(
        self, video_id: str, span: Span | None, sentence: QueryTokens | None = None
    ) -> FoundEntry:
        for part in self._parts:
            if found := part.entry(video_id_of(video_id), span, sentence):
                return found
        raise self._not_there(video_id)

    def _meant(self, video_id: str, span: Span | None) -> FoundEntry:
        """The video itself, or the window of a recording that is nearest to a moment."""
        entry = self._entry(video_id, span)
        if entry.num_entries > 1 and span is None:
            raise UsageError(
                f"'{video_id}' is a recording of {entry.num_entries:,} windows: say which seconds "
                "are meant, with --start and --end"
            )
        return entry

    def _not_there(self, video_id: str) -> VideoNotInIndexError:
        where = first_names([str(part.part.path) for part in self._parts])
        return VideoNotInIndexError(f"no video of {where} has the id '{video_id}'")

    def _learned(self) -> IndexVocabulary:
        """The words of the index's sentences, those of new ones too."""
        vocabulary = self._vocabulary
        with self._learning:
            for number, part in enumerate(self._parts):
                new, total = part.some_sentences(self._num_learned[number], SENTENCES_READ)
                vocabulary.learn(new)
                self._num_learned[number] += len(new)
                vocabulary.is_complete &= total <= SENTENCES_READ
            return vocabulary


def _warn(warnings: Sequence[str]) -> None:
    """Tells what an answer without warnings of its own cannot say."""
    for warning in warnings:
        warn(escape(warning))


def _check_count(k: int) -> None:
    if not 1 <= k <= MAX_HITS:
        raise UsageError(f"{k} hits are asked for; expected 1 to {MAX_HITS:,}")
