"""Adds encoded videos to a part, a few at a time."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from search.index.changes import FailedEntry, NewEntry
from search.index.encoding import TokenEncoder
from search.index.entries import EncodedVideo
from search.index.plan import HeldVideos, batches, described
from search.index.sources import VideoSources
from search.index.writer import PartWriter
from seds_core.console import progress_bar

COMMIT_SECONDS = 30.0
"""After so long, what is encoded becomes part of the index, and no kill can lose it."""

COMMIT_ENTRIES = 2048
"""The same, for fast devices: the tokens of so many are in memory together."""


@dataclass
class Added:
    """What has been added, and what could not be."""

    num_videos: int = 0
    num_entries: int = 0
    num_unsigned: int = 0
    """Windows that were left out because nobody signs in them."""
    failed: list[FailedEntry] = field(default_factory=list)


def add_videos(
    writer: PartWriter, videos: Iterable[EncodedVideo], num_videos: int, encoder: TokenEncoder
) -> Added:
    """Adds videos as they come, and their sentences.

    A video's entries are added together, in place of those that the part has of it.
    """
    adding = _Adding(writer, encoder)
    with progress_bar() as progress:
        task = progress.add_task("videos", total=num_videos, rates="")
        for video in videos:
            adding.take(video)
            progress.advance(task)
        adding.commit()
    return adding.added


class _Adding:
    """Videos that wait for the next commit."""

    def __init__(self, writer: PartWriter, encoder: TokenEncoder) -> None:
        self.added = Added()
        self._writer = writer
        self._encoder = encoder
        self._ready: list[NewEntry] = []
        self._failed: list[FailedEntry] = []
        self._last_commit = time.monotonic()

    def take(self, video: EncodedVideo) -> None:
        """Takes a video, and commits where it is time to."""
        self._ready += video.entries
        if video.failure is not None:
            self._failed.append(video.failure)
        self.added.num_videos += bool(video.entries)
        self.added.num_unsigned += video.num_unsigned
        is_late = time.monotonic() - self._last_commit > COMMIT_SECONDS
        if is_late or len(self._ready) >= COMMIT_ENTRIES:
            self.commit()

    def commit(self) -> None:
        """Adds the videos to the part."""
        if self._ready or self._failed:
            texts = self._writer.missing_sentences(entry.record.text for entry in self._ready)
            sentences = self._encoder.sentences(texts)
            self._writer.append(self._ready, sentences, failures=self._failed)
            self.added.num_entries += len(self._ready)
            self.added.failed += self._failed
        self._ready, self._failed = [], []
        self._last_commit = time.monotonic()


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
