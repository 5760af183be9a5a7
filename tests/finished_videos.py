"""Small finished videos with rows that can be told apart, for tests of the store."""

import numpy as np

from seds_core.store.arrays import StoreArrays
from seds_core.store.place import place_of
from seds_core.store.provenance import ClipRules, Provenance, TimelineRules, WeightsRecord
from seds_core.store.reader import StoreReader
from seds_core.store.records import FinishedVideo, VideoSource
from seds_core.store.repair import checksum_problem, damaged_files, structure_problems

RGB = Provenance(
    kind="rgb",
    timeline=TimelineRules(max_frames=300),
    rgb=ClipRules(backbone="i3d", clip_length=16, clips="planned", max_clips=64),
    weights=WeightsRecord(name="test", source="here", sha256="0" * 64, is_random=False),
    feature_dim=8,
)


def finished(video_id: str, num_rows: int = 3, content: str = "c0") -> FinishedVideo:
    """A video whose features are a function of its id, its content and the row."""
    seed = sum(f"{video_id}{content}".encode())
    features = np.arange(num_rows * 8, dtype=np.float32).reshape(num_rows, 8) + 1000 * seed
    rows = {
        "features": features,
        "first_frame": np.arange(num_rows, dtype=np.int32),
        "frame_step": np.ones(num_rows, np.int32),
    }
    source = VideoSource(
        video_id, f"/videos/{video_id}.mp4", 10, 20, content, 20, 1, 25.0, 0.8, 64, 48
    )
    return FinishedVideo(source, rows)


def problems_of(path) -> list[str]:
    """All that is wrong with a store whose table can be read."""
    files = [problem for _, problem in damaged_files(StoreArrays(place_of(path)))]
    store = StoreReader(path, even_damaged=True)
    rows = [checksum_problem(store, video_id) for video_id in store.videos]
    return files + structure_problems(store) + [problem for problem in rows if problem]
