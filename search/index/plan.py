"""What a build has to do: which videos are new, which have changed, and in what."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from search.index.records import EntryRecord, FilterColumns, RecordReader
from search.index.sources import SourceVideo, VideoSources
from search.index.tables import read_columns, read_state

AT_ONCE = 500
"""Videos that are looked up together."""


@dataclass
class BuildPlan:
    """Ids of videos by what has to be done with them."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """Their rows in the stores have changed: they are encoded again."""
    described_anew: list[str] = field(default_factory=list)
    """Only their sentence, path or columns have changed: their tokens stay."""
    num_unchanged: int = 0

    @property
    def to_encode(self) -> list[str]:
        """New and changed videos."""
        return self.new + self.changed


@dataclass(frozen=True)
class HeldVideo:
    """What a part has of a video."""

    source: str
    records: dict[int, EntryRecord]
    """Of its live entries, by their rows."""


def described(record: EntryRecord, video: SourceVideo) -> EntryRecord:
    """Returns the record with what the table and the stores say of the video now."""
    return replace(
        record,
        path=video.path,
        start=video.start,
        text=video.text,
        columns=video.columns,
        duration=video.duration,
    )


def is_described_as(record: EntryRecord, video: SourceVideo) -> bool:
    """Whether that would change nothing."""
    names = ("path", "start", "text", "columns", "duration")
    return all(getattr(record, name) == getattr(video, name) for name in names)


class HeldVideos:
    """Looks up what a part has of some videos, as long as nothing is written to it."""

    def __init__(self, part: Path, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._generation = read_state(part, connection).generation
        self._columns = read_columns(connection, FilterColumns())
        self._reader = RecordReader(part, connection)

    def of(self, video_ids: Sequence[str]) -> dict[str, HeldVideo]:
        """Returns the videos that have live entries."""
        places = ", ".join("?" * len(video_ids))
        rows = self._connection.execute(
            "SELECT video_id, entry, records.id, source FROM records JOIN entries "
            "ON entries.record = records.id WHERE generation = ? AND is_live = 1 "
            f"AND video_id IN ({places}) ORDER BY entry",
            (self._generation, *video_ids),
        ).fetchall()
        records = self._reader.records([row[2] for row in rows], self._columns)
        found: dict[str, HeldVideo] = {}
        for (video_id, entry, _, source), record in zip(rows, records, strict=True):
            found.setdefault(video_id, HeldVideo(source, {})).records[entry] = record
        return found


def plan_build(held: HeldVideos | None, sources: VideoSources) -> BuildPlan:
    """Compares the videos with what a part has of them; ``None`` for a part still to be made."""
    plan = BuildPlan()
    for some in batches(sources.video_ids):
        there = held.of(some) if held is not None else {}
        for video_id in some:
            if video_id in there and sources.index is None:
                # Without a table nothing is known that would replace an earlier one's sentences.
                sources.described[video_id] = next(iter(there[video_id].records.values()))
            video = sources.video(video_id)
            if video_id not in there:
                plan.new.append(video_id)
            elif there[video_id].source != video.source:
                plan.changed.append(video_id)
            elif all(is_described_as(record, video) for record in there[video_id].records.values()):
                plan.num_unchanged += 1
            else:
                plan.described_anew.append(video_id)
    return plan


def batches(video_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yields some of the videos at a time."""
    for first in range(0, len(video_ids), AT_ONCE):
        yield video_ids[first : first + AT_ONCE]
