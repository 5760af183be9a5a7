from itertools import pairwise

import numpy as np
import pytest

from seds_core.store.layout import VIDEO_ARRAYS, row_arrays


def rows(kind, feature_dim=1024, feature_dtype="float32", clip_frames=16):
    specs = row_arrays(
        kind, feature_dim=feature_dim, feature_dtype=feature_dtype, clip_frames=clip_frames
    )
    return {spec.name: spec for spec in specs}


def test_frames_are_there_only_where_clips_are_not_evenly_spaced():
    assert list(rows("rgb", clip_frames=0)) == ["features", "first_frame", "frame_step"]
    assert rows("rgb", clip_frames=8)["frames"].sizes == (8,)


@pytest.mark.parametrize(
    ("dim", "dtype", "chunk"),
    [(1024, "float32", 64), (1024, "float16", 128), (768, "float32", 64), (100_000, "float32", 1)],
)
def test_a_chunk_of_features_is_at_most_a_quarter_of_a_mebibyte(dim, dtype, chunk):
    features = rows("rgb", dim, dtype)["features"]
    assert features.chunk == chunk
    assert chunk == 1 or chunk * dim * np.dtype(dtype).itemsize <= 256 * 1024


def test_shards_are_whole_chunks_and_end_together():
    specs = [*rows("rgb").values(), *rows("pose").values(), *VIDEO_ARRAYS]
    assert all(spec.shard % spec.chunk == 0 for spec in specs)
    lengths = sorted({spec.shard for spec in specs})
    assert all(long % short == 0 for short, long in pairwise(lengths))


@pytest.mark.parametrize(("kind", "rows_of_a_video"), [("rgb", 64), ("pose", 400)])
def test_thirty_one_thousand_videos_are_hundreds_of_files(kind, rows_of_a_video):
    num_videos = 31_000
    data = sum(-(-num_videos * rows_of_a_video // spec.shard) for spec in rows(kind).values())
    table = sum(-(-num_videos // spec.shard) for spec in VIDEO_ARRAYS)
    metadata = len(rows(kind)) + len(VIDEO_ARRAYS) + 3
    assert data + table + metadata <= 500
