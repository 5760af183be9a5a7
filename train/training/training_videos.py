"""Which videos and sentences a run is trained on: its digest, its list, and what has changed."""

import hashlib
import json
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seds_core.dataset_index import IndexedVideo

FILE_NAME = "training_videos.json"
"""In the folder of a run; the file's SHA-256 is the digest."""

_SHOWN = 3


@dataclass(frozen=True)
class TrainingVideos:
    """Ids and sentences in their order, which the batches depend on."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, videos: Iterable[IndexedVideo]) -> "TrainingVideos":
        """Of the videos of a split."""
        return cls(tuple((video.video_id, video.text) for video in videos))

    @classmethod
    def read(cls, path: Path) -> "TrainingVideos | None":
        """What :meth:`write` wrote; ``None`` where it is missing or damaged."""
        try:
            pairs = json.loads(path.read_text(encoding="utf-8"))
            return cls(tuple((video_id, text) for video_id, text in pairs))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Writes or replaces the list."""
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(self._text, encoding="utf-8")
        os.replace(partial, path)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the list."""
        return hashlib.sha256(self._text.encode()).hexdigest()

    def changes_since(self, before: "TrainingVideos") -> list[str]:
        """What a person has to know to find the difference, a phrase each."""
        then, now = dict(before.pairs), dict(self.pairs)
        changed = [i for i in now if i in then and now[i] != then[i]]
        texts = [f"the sentence of {i} changed ({then[i]} -> {now[i]})" for i in changed[:_SHOWN]]
        if len(changed) > _SHOWN:
            texts.append(f"{len(changed) - _SHOWN:,} sentences more changed")
        texts += _counted([i for i in now if i not in then], "more")
        texts += _counted([i for i in then if i not in now], "fewer")
        if [i for i in now if i in then] != [i for i in then if i in now]:
            texts.append("the videos are in another order")
        return texts

    @property
    def _text(self) -> str:
        return json.dumps(self.pairs)


def _counted(video_ids: Collection[str], word: str) -> list[str]:
    if not video_ids:
        return []
    names = ", ".join(list(video_ids)[:_SHOWN]) + (", ..." if len(video_ids) > _SHOWN else "")
    return [f"{len(video_ids):,} video{'s' * (len(video_ids) > 1)} {word} ({names})"]
