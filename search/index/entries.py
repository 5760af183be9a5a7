"""What an index holds of each video: its rows are read, and encoded into entries."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
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
from search.index.reading import ReadBatch, RowsReader, Unreadable, WholeVideos, read_batch
from search.index.records import EntryRecord
from search.index.sources import SourceVideo, VideoSources
from search.index.windows import WindowReader, WindowRequest, windows_of
from search.results import Span
from seds_core.errors import first_names
from train.data.loading import KeyedLoader
from train.data.retrieval_data import sign_reader
from train.data.sign_reader import SignReader


class EntryRequest(NamedTuple):
    """An entry to encode."""

    video: SourceVideo
    key: Any
    """What the reader finds its rows by."""
    span: Span | None
    is_last: bool
    """Whether the video has no entry after it."""


@dataclass(eq=False)
class EncodedVideo:
    """What became of a video. Of a recording some windows may be there and others not."""

    entries: list[NewEntry] = field(default_factory=list)
    failure: FailedEntry | None = None
    """Why it has no entries, or lacks some."""
    num_unsigned: int = 0
    """Windows left out because nobody signs in them; some may be those of neighbours."""


def encoded_videos(
    sources: VideoSources,
    video_ids: Sequence[str],
    encoder: TokenEncoder,
    *,
    batch_size: int,
    workers: int,
) -> Generator[EncodedVideo, None, None]:
    """Encodes videos in their order; what is wrong with one costs no other."""
    identity, signs = encoder.identity, sign_reader(sources.stores)
    whole = identity.windows is None
    reader: RowsReader = WholeVideos(signs) if whole else WindowReader(signs)
    requests = entry_requests(sources, video_ids, signs, identity)
    waiting: deque[list[EntryRequest]] = deque()

    def keys() -> Iterator[list[Any]]:
        # The loader asks ahead, and its answers come in the order of the requests.
        while some := list(islice(requests, batch_size)):
            waiting.append(some)
            yield [request.key for request in some]

    gathered = _Gathered(encoder)
    loader = KeyedLoader[Any, ReadBatch](
        partial(read_batch, reader),
        lambda batch: batch,
        workers,
        pin_memory=encoder.device.type == "cuda",
    )
    with closing(loader):
        for read in loader.batches(keys()):
            yield from gathered.videos(waiting.popleft(), read)


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


class _Gathered:
    """Gathers the entries of a video, which may come in several batches."""

    def __init__(self, encoder: TokenEncoder) -> None:
        self._encoder = encoder
        # Of the video whose entries are being encoded.
        self._video = EncodedVideo()
        self._problems: list[str] = []

    def videos(self, requests: Sequence[EntryRequest], read: ReadBatch) -> Iterator[EncodedVideo]:
        """Encodes what was read of some requests; gives the videos that are whole by now."""
        encoded = self._encoder.videos(read.signs) if read.signs is not None else []
        found = {
            position: (tokens, bounds)
            for position, tokens, bounds in zip(
                read.positions, encoded, read.clip_bounds, strict=True
            )
        }
        self._video.num_unsigned += read.num_unsigned
        for position, request in enumerate(requests):
            problem = read.problems.get(position)
            if position in found:
                tokens, bounds = found[position]
                if tokens.is_finite:
                    record = record_of(request.video, request.span, bounds)
                    source = request.video.source
                    entry = NewEntry(record, source, tokens.tokens, tokens.num_real)
                    self._video.entries.append(entry)
                else:
                    problem = "the model makes no finite tokens of it"
            if problem is not None:
                where = (
                    f"{request.span.start:g} to {request.span.end:g} s: " if request.span else ""
                )
                self._problems.append(f"{where}{problem}")
            if request.is_last:
                yield self._finished(request.video)

    def _finished(self, video: SourceVideo) -> EncodedVideo:
        if not self._video.entries and not self._problems:
            self._problems.append("nobody signs in it: too few frames show a usable hand")
        if self._problems:
            reason = first_names(self._problems, separator="; ")
            failure = FailedEntry(video.video_id, video.path, video.source, reason)
            self._video.failure = failure
        finished, self._video, self._problems = self._video, EncodedVideo(), []
        return finished


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
