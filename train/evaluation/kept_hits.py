"""Which queries a run answered: what comparing runs needs of its scores, in a small file."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from seds_core.errors import UsageError
from seds_core.files import write_whole
from train.evaluation.metrics import CUT_OFFS, SplitScores
from train.evaluation.paired import HitTable
from train.evaluation.ranks import DIRECTIONS, Direction


@dataclass(frozen=True)
class KeptHits:
    """Hits of every query of a split, with ties counted by their expectation."""

    video_ids: tuple[str, ...]
    sentences: tuple[str, ...]
    text_of_video: Int64[np.ndarray, " video"]
    hits: dict[tuple[str, Direction, int], Float[np.ndarray, " query"]]
    """Stream, direction, ``k`` -> whether the rank of each query is at most ``k``."""

    @classmethod
    def of(cls, scores: SplitScores) -> "KeptHits":
        """Takes the hits of all streams and cut-offs. Raises ``ScoreError`` as ranking does."""
        gallery = scores.gallery
        hits = {
            (stream, direction, k): of_queries
            for stream in scores.streams
            for direction in DIRECTIONS
            for k, of_queries in scores.metrics(stream, direction).hits.items()
        }
        return cls(gallery.video_ids, gallery.sentences, gallery.text_of_video, hits)

    def write(self, path: Path) -> None:
        """Writes the file whole; makes its folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {
            "video_ids": np.array(self.video_ids),
            "sentences": np.array(self.sentences),
            "text_of_video": self.text_of_video,
        }
        arrays |= {"/".join(map(str, name)): values for name, values in self.hits.items()}
        file = BytesIO()
        np.savez_compressed(file, **arrays)
        write_whole(path, file.getvalue())

    @classmethod
    def read(cls, path: Path) -> "KeptHits":
        """Reads what :meth:`write` wrote."""
        with np.load(path, allow_pickle=False) as file:
            streams = dict.fromkeys(name.split("/")[0] for name in file.files if "/" in name)
            hits = {
                (stream, direction, k): file[f"{stream}/{direction}/{k}"]
                for stream in streams
                for direction in DIRECTIONS
                for k in CUT_OFFS
            }
            return cls(
                tuple(file["video_ids"].tolist()),
                tuple(file["sentences"].tolist()),
                file["text_of_video"],
                hits,
            )

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams that the model has."""
        return tuple(dict.fromkeys(stream for stream, _, _ in self.hits))


def hit_table(runs: Sequence[KeptHits], stream: str, k: int = 1) -> HitTable:
    """The hits of several runs on the same split, for :mod:`train.evaluation.paired`.

    Raises ``UsageError`` where the runs have answered other queries.
    """
    first = runs[0]
    queries = {(run.video_ids, run.sentences, run.text_of_video.tobytes()) for run in runs}
    if len(queries) > 1:
        raise UsageError(
            "runs that are compared were scored on different videos or sentences: their index or "
            "stores have changed in between"
        )
    videos_of_text = np.bincount(first.text_of_video, minlength=len(first.sentences))
    text_to_video = [run.hits[stream, "text_to_video", k] for run in runs]
    video_to_text = [
        np.bincount(first.text_of_video, run.hits[stream, "video_to_text", k], len(first.sentences))
        for run in runs
    ]
    return HitTable(np.stack(text_to_video), np.stack(video_to_text), videos_of_text)
