"""Encodes videos and adds them to a part, a few at a time."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32

from search.index.changes import FailedEntry, NewEntry
from search.index.encoding import TokenEncoder
from search.index.identity import IndexIdentity
from search.index.plan import HeldVideos, batches, described
from search.index.reading import ReadBatch, RowsReader, Unreadable, WholeVideos, read_batch
from search.index.records import EntryRecord
from search.index.sources import SourceVideo, VideoSources
from search.index.windows import WindowReader, WindowRequest, windows_of
from search.index.writer import PartWriter
from search.results import Span
from seds_core.console import progress_bar
from seds_core.errors import first_names
from train.data.loading import KeyedLoader
from train.data.retrieval_data import sign_reader
from train.data.sign_reader import SignReader

COMMIT_SECONDS = 30.0
"""After so long, what is encoded becomes part of the index, and no kill can lose it."""

COMMIT_ENTRIES = 2048
"""The same, for fast devices: the tokens of so many are in memory together."""


class EntryRequest(NamedTuple):
    """An entry to encode."""

    video: SourceVideo
    key: Any
    """What the reader finds its rows by."""
    span: Span | None
    is_last: bool
    """Whether the video has no entry after it."""


@dataclass
class Added:
    """What has been added, and what could not be."""

    num_videos: int = 0
    num_entries: int = 0
    num_unsigned: int = 0
    """Windows that were left out because nobody signs in them."""
    failed: list[FailedEntry] = field(default_factory=list)


def add_videos(
    writer: PartWriter,
    sources: VideoSources,
    video_ids: Sequence[str],
    encoder: TokenEncoder,
    *,
    batch_size: int,
    workers: int,
) -> Added:
    """Encodes videos, in their order, and adds them; what is wrong with one costs no other.

    A video's entries are added together, in place of those that the part has of it.
    """
    if not video_ids:
        return Added()
    windows, signs = writer.identity.windows, sign_reader(sources.stores)
    reader: RowsReader = WholeVideos(signs) if windows is None else WindowReader(signs)
    requests = entry_requests(sources, video_ids, signs, writer.identity)
    waiting: deque[list[EntryRequest]] = deque()

    def keys() -> Iterator[list[Any]]:
        # The loader asks ahead, and its answers come in the order of the requests.
        while some := list(islice(requests, batch_size)):
            waiting.append(some)
            yield [request.key for request in some]

    adding = _Adding(writer, encoder)
    loader = KeyedLoader[Any, ReadBatch](
        partial(read_batch, reader),
        lambda batch: batch,
        workers,
        pin_memory=encoder.device.type == "cuda",
    )
    with closing(loader), progress_bar() as progress:
        task = progress.add_task("videos", total=len(video_ids), rates="")
        for read in loader.batches(keys()):
            adding.take(waiting.popleft(), read)
            progress.update(task, completed=adding.num_done)
        adding.commit()
    return adding.added


def entry_requests(
    sources: VideoSources, video_ids: Sequence[str], signs: SignReader, identity: IndexIdentity
) -> Iterator[EntryRequest]:
    """Yields what has to be encoded of each video: all of it, or its windows."""
    windows, keypoints = identity.windows, identity.keypoints
    length = identity.layout.clip_length
    for video_id in video_ids:
        video, located = sources.video(video_id), signs.locate(video_id)
        if windows is None:
            yield EntryRequest(video, located, None, is_last=True)
            continue
        fps, num_frames = video.fps, sources.num_frames(video_id)
        try:
            if fps is None:
                raise ValueError("the stores do not know its frame rate, which windows need")
            found = windows_of(
                num_frames, fps, windows, clip_length=length, max_frames=keypoints.max_frames
            )
            frames = list(found)
        except ValueError as error:
            yield EntryRequest(video, Unreadable(str(error)), None, is_last=True)
            continue
        for window in frames:
            key = WindowRequest(located, window.start, window.stop, len(window) == num_frames)
            span = Span(window.start / fps, window.stop / fps)
            yield EntryRequest(video, key, span, is_last=window is frames[-1])


class _Adding:
    """Videos on their way from the reader to the part."""

    def __init__(self, writer: PartWriter, encoder: TokenEncoder) -> None:
        self.added = Added()
        self.num_done = 0
        self._writer = writer
        self._encoder = encoder
        # Of the video whose entries are being encoded.
        self._entries: list[NewEntry] = []
        self._problems: list[str] = []
        # Whole videos that wait for the next commit.
        self._ready: list[NewEntry] = []
        self._failed: list[FailedEntry] = []
        self._last_commit = time.monotonic()

    def take(self, requests: Sequence[EntryRequest], read: ReadBatch) -> None:
        """Encodes what was read of some requests."""
        encoded = self._encoder.videos(read.signs) if read.signs is not None else []
        found = {
            position: (tokens, bounds)
            for position, tokens, bounds in zip(
                read.positions, encoded, read.clip_bounds, strict=True
            )
        }
        self.added.num_unsigned += read.num_unsigned
        for position, request in enumerate(requests):
            problem = read.problems.get(position)
            if position in found:
                tokens, bounds = found[position]
                if tokens.is_finite:
                    record = record_of(request.video, request.span, bounds)
                    source = request.video.source
                    self._entries.append(NewEntry(record, source, tokens.tokens, tokens.num_real))
                else:
                    problem = "the model makes no finite tokens of it"
            if problem is not None:
                where = (
                    f"{request.span.start:g} to {request.span.end:g} s: " if request.span else ""
                )
                self._problems.append(f"{where}{problem}")
            if request.is_last:
                self._finish(request.video)
        is_late = time.monotonic() - self._last_commit > COMMIT_SECONDS
        if is_late or len(self._ready) >= COMMIT_ENTRIES:
            self.commit()

    def _finish(self, video: SourceVideo) -> None:
        if not self._entries and not self._problems:
            self._problems.append("nobody signs in it: too few frames show a usable hand")
        if self._problems:
            reason = first_names(self._problems, separator="; ")
            self._failed.append(FailedEntry(video.video_id, video.path, video.source, reason))
        self._ready += self._entries
        self.added.num_videos += bool(self._entries)
        self._entries, self._problems = [], []
        self.num_done += 1

    def commit(self) -> None:
        """Adds the videos that are whole to the part."""
        if self._ready or self._failed:
            texts = self._writer.missing_sentences(entry.record.text for entry in self._ready)
            sentences = self._encoder.sentences(texts)
            self._writer.append(self._ready, sentences, failures=self._failed)
            self.added.num_entries += len(self._ready)
            self.added.failed += self._failed
        self._ready, self._failed = [], []
        self._last_commit = time.monotonic()


def record_of(
    video: SourceVideo, span: Span | None, clip_bounds: Int32[np.ndarray, "clip 2"]
) -> EntryRecord:
    """Returns the record of a new entry; ``clip_bounds`` are frames, the last one included."""
    return EntryRecord(
        video_id=video.video_id,
        path=video.path,
        text=video.text,
        span=span,
        duration=video.duration,
        columns=video.columns,
        clip_spans=clip_spans(clip_bounds, video.fps),
        start=video.start,
    )


def clip_spans(
    clip_bounds: Int32[np.ndarray, "clip 2"], fps: float | None
) -> Float32[np.ndarray, "clip 2"]:
    """Returns seconds from first and last frames; none where the frame rate is not known.

    >>> clip_spans(np.array([[0, 15], [10, 25]], np.int32), 10.0).tolist()
    [[0.0, 1.600000023841858], [1.0, 2.5999999046325684]]
    """
    if fps is None:
        return np.empty((0, 2), np.float32)
    # A frame is shown until the next one.
    return ((clip_bounds + np.array([0, 1])) / fps).astype(np.float32)


def describe_anew(
    writer: PartWriter, sources: VideoSources, video_ids: Sequence[str], encoder: TokenEncoder
) -> None:
    """Replaces the records of videos of which only the table or the path has changed."""
    held = HeldVideos(writer.path, writer.connection)
    for some in batches(video_ids):
        replaced = {
            entry: (described(record, sources.video(video_id)), of_video.source)
            for video_id, of_video in held.of(some).items()
            for entry, record in of_video.records.items()
        }
        texts = writer.missing_sentences(record.text for record, _ in replaced.values())
        writer.replace_records(replaced, encoder.sentences(texts))
