"""Extraction as a step of a Ray Dataset, for those whose videos are listed in one already.

    import ray
    from extract.ray_data import ExtractVideos

    videos = ray.data.read_csv("index.csv")  # columns video_id and path
    rows = videos.map_batches(
        ExtractVideos,
        fn_constructor_kwargs={"kind": "pose", "pipeline": "custom"},
        batch_size=16,
        concurrency=4,
        num_gpus=1,
    )
    rows.write_parquet("pose")

What is extracted so is the same to the bit as in a store, but nothing resumes, no video has a time
limit, and nothing records how the rows were made: ``seds-extract --engine ray`` does all that.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from extract.run.loop import extract_videos
from extract.run.profile import RunProfile
from extract.run.streams import load_stream
from extract.run.worker import Loader, forget_program
from extract.settings import ExtractSettings
from extract.videos.decode_pool import DecodePool
from extract.videos.listing import ListedVideo
from seds_core.command_line import PIPELINE_FILE
from seds_core.pipeline_file import read_section, with_changes
from seds_core.store.layout import StoreKind
from seds_core.store.records import FailedVideo, FinishedVideo
from seds_core.store.store_files import parts_of


class ExtractVideos:
    """Makes rows of the videos in the column ``path`` of a batch: for ``Dataset.map_batches``.

    A batch keeps its columns and gets one for each array of a store of this kind, such as
    ``keypoints``, whose values are a video's rows, and ``num_frames``, ``fps``,
    ``width`` and ``height``. ``problem`` says why a video has no rows, and is empty otherwise.
    """

    def __init__(
        self,
        kind: StoreKind,
        *,
        pipeline: str = "custom",
        pipelines: Path = PIPELINE_FILE,
        changes: Mapping[str, str | Path | None] | None = None,
        pose_store: Path | None = None,
        device: str = "auto",
        load: Loader = load_stream,
    ) -> None:
        """Loads the network; the options are those of ``seds-extract``. Raises like them."""
        forget_program()
        of_pipeline = read_section(pipelines, pipeline, "extract", ExtractSettings)
        self._settings = settings = with_changes(of_pipeline, kind, changes or {})
        # Its processes end with this one.
        self._pool = DecodePool(settings.run.decode_workers, settings.run.decode_timeout)
        self._pool.__enter__()
        self._stream = load(kind, settings, device, pose_store)
        self._arrays = parts_of(self._stream.provenance)["rows"]

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """Returns the batch with what was made of its videos, in its order."""
        paths = batch["path"].tolist()
        # Only the numbers tell videos apart: one may be listed twice.
        desk = _BatchDesk(ListedVideo(f"{n}", Path(path)) for n, path in enumerate(paths))
        profile = RunProfile(self._settings.run.decode_workers)
        extract_videos(desk, self._stream, self._pool, self._settings.frames, profile)
        made = dict(batch)
        finished = [desk.finished.get(f"{n}") for n in range(len(paths))]
        for array in self._arrays:
            nothing = np.empty((0, *array.sizes), array.dtype)
            values = np.empty(len(paths), object)
            for n, video in enumerate(finished):
                values[n] = video.rows[array.name] if video else nothing
            made[array.name] = values
        for name in ("num_frames", "width", "height", "fps"):
            zero = 0.0 if name == "fps" else 0
            made[name] = np.array([getattr(v.source, name) if v else zero for v in finished])
        problems = [desk.problems.get(f"{n}", "") for n in range(len(paths))]
        made["problem"] = np.array(problems, object)
        return made


class _BatchDesk:
    """Gives the videos of a batch, and keeps what becomes of them."""

    def __init__(self, videos: Iterable[ListedVideo]) -> None:
        self._waiting = deque(videos)
        self.finished: dict[str, FinishedVideo] = {}
        self.problems: dict[str, str] = {}

    def claim(self) -> ListedVideo | None:
        return self._waiting.popleft() if self._waiting else None

    def started(self, video: ListedVideo) -> None:
        pass

    def noted(self, video: ListedVideo, note: str) -> None:
        pass

    def finish(self, video: FinishedVideo) -> None:
        self.finished[video.source.video_id] = video

    def fail(self, failure: FailedVideo) -> None:
        self.problems[failure.video_id] = failure.reason

    def give_up(self, video: ListedVideo, error: Exception) -> None:
        self.problems[video.video_id] = f"{type(error).__name__}: {error}"
