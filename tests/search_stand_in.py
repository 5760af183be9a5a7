"""A retriever that knows its videos' sentences by heart, for tests of what stands on one."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from extract.videos.frame_source import VideoFile
from search.index.records import EntryRecord
from search.query.retriever import VideoNotInIndexError
from search.results import Alignment, Answer, Hit, SentenceHit, Span, WordMatch
from seds_core.errors import UsageError

CLIPS = 6


def record(video_id, path, text, *, duration=None, start=0.0, span=None, **columns):
    """What an index knows of a video."""
    seconds = duration or 1.0
    edges = np.linspace(0, seconds, CLIPS + 1, dtype=np.float32)
    clips = np.stack([edges[:-1], edges[1:]], 1)
    return EntryRecord(video_id, Path(path), text, span, duration, columns, clips, start)


@dataclass
class StandIn:
    """Ranks by shared words; each word is matched where it stands in the video's sentence."""

    records: list[EntryRecord]
    files_seen: list[Path] = field(default_factory=list)
    seconds: float = 0.0
    """How long encoding a file takes."""

    def search(self, sentence, k=10, *, filters=None, exact=False):
        if not sentence.strip():
            raise UsageError("the sentence is empty: type what is signed in the video")
        words = sentence.lower().split()
        return self._answer(words, k, filters, exact, with_words=True)

    def like(self, video_id, k=10, *, span=None, filters=None, exact=False):
        text = self.video(video_id).text
        return self._answer(text.split(), k, filters, exact, without=video_id)

    def by_video(self, path, k=10, *, trim=None, filters=None, exact=False):
        self._encode(path)
        return self._answer(self.records[0].text.split(), k, filters, exact)

    def sentences(self, video, k=10, *, trim=None, exact=False):
        if isinstance(video, Path):
            self._encode(video)
            words = set(self.records[0].text.split())
        else:
            words = set(self.video(video).text.split())
        texts = sorted({r.text for r in self.records}, key=lambda t: -_overlap(words, t))
        return [
            SentenceHit(rank, text, _overlap(words, text), self._ids_of(text))
            for rank, text in enumerate(texts[:k], 1)
        ]

    def explain(self, video_id, sentence, *, span=None):
        found, words = self.video(video_id), sentence.split()
        clips = tuple(Span(*map(float, clip)) for clip in found.clip_spans)
        similarities = np.full((len(clips), len(words)), 0.1, np.float32)
        for column, word in enumerate(words):
            similarities[_place(word, found.text), column] = 0.9
        return tuple(
            Alignment(
                stream,
                tuple(words),
                clips,
                similarities * np.float32(scale),
                score=0.5 * scale,
                video_to_text=0.5 * scale,
                text_to_video=0.5 * scale,
                class_token=similarities[0],
                of_class_token=0.5,
                of_clips=similarities[:, 0],
                of_words=similarities[0],
            )
            for stream, scale in (("fusion", 1.0), ("pose", 0.5))
        )

    def video(self, video_id):
        for found in self.records:
            if found.video_id == video_id:
                return found
        raise VideoNotInIndexError(f"the index has no video {video_id}")

    def filters(self):
        columns = {}
        for found in self.records:
            for name, value in found.columns.items():
                columns.setdefault(name, set()).add(value)
        return {name: tuple(sorted(values)) for name, values in columns.items()}

    def info(self):
        texts = {r.text for r in self.records}
        return SimpleNamespace(
            num_videos=len(self.records), num_entries=len(self.records),
            parts=(SimpleNamespace(num_sentences=len(texts)),),
            identity=SimpleNamespace(stage="fusion"),
        )  # fmt: skip

    def _encode(self, path):
        self.files_seen.append(path)
        VideoFile(path)
        time.sleep(self.seconds)

    def _ids_of(self, text):
        return tuple(r.video_id for r in self.records if r.text == text)[:10]

    def _answer(self, words, k, filters, exact, *, with_words=False, without=None):
        columns = {name for r in self.records for name in r.columns}
        if unknown := set(filters or ()) - columns:
            raise UsageError(f"there is no column {unknown.pop()}; there are {sorted(columns)}")
        allowed = [
            r
            for r in self.records
            if r.video_id != without
            and all(r.columns.get(name) in values for name, values in (filters or {}).items())
        ]
        ranked = sorted(allowed, key=lambda r: -_overlap(set(words), r.text))[:k]
        hits = tuple(self._hit(rank, r, words, with_words) for rank, r in enumerate(ranked, 1))
        known = {word for r in self.records for word in r.text.split()}
        warnings = tuple(f"the word “{w}” is not known" for w in words if w not in known)
        return Answer(hits, warnings if with_words else (), 0.004, len(allowed), exact)

    def _hit(self, rank, found, words, with_words):
        matches = tuple(
            WordMatch(word, Span(*map(float, found.clip_spans[_place(word, found.text)])), 0.9)
            for word in words
        )
        return Hit(
            rank, found.video_id, found.path, found.text, found.span, found.duration,
            _overlap(set(words), found.text), matches if with_words else (), found.columns, "part",
        )  # fmt: skip


def _overlap(words, text):
    return len(words & set(text.split())) / max(1, len(words | set(text.split())))


def _place(word, text):
    """The clip of a word: the words of a sentence share the video evenly."""
    words = text.split()
    return words.index(word) * CLIPS // len(words) if word in words else 0
