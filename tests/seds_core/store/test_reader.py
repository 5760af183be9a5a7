"""What a store's layout, table and reader give."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from finished_videos import RGB, finished

from seds_core.store.layout import VIDEO_ARRAYS, row_arrays
from seds_core.store.reader import StoreReader, VideoRows, VideoTable
from seds_core.store.writer import BulkWriter


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


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "s.zarr"
    for videos in (["a", "b", "c"], ["b"]):  # b twice: the later entry counts
        with BulkWriter(path, RGB) as writer:
            for video_id in videos:
                writer.add(finished(video_id, num_rows=3 + len(videos)))
    return path


@pytest.fixture
def reads(monkeypatch):
    """Names of the columns that are read."""
    from seds_core.store.arrays import StoreArrays

    names = []
    read = StoreArrays.read_column

    def counted(self, part, name, start, stop):
        names.append(name)
        return read(self, part, name, start, stop)

    monkeypatch.setattr(StoreArrays, "read_column", counted)
    return names


def test_opening_reads_names_alone_and_the_first_entry_all_columns(path, reads):
    store = StoreReader(path)
    assert reads == ["video_id"]
    assert list(store.videos) == ["a", "b", "c"]
    assert len(store.videos) == 3
    assert "b" in store.videos
    assert "d" not in store.videos
    assert reads == ["video_id"]
    store.videos["a"]
    store.videos["c"]
    assert reads == [spec.name for spec in VIDEO_ARRAYS]


def test_rows_are_found_without_reading_texts(path, reads):
    videos = StoreReader(path).videos
    entry = videos["b"]
    expected = (entry.first_row, entry.num_rows, entry.num_frames, entry.frame_step)
    reads.clear()
    again = StoreReader(path).videos
    assert again.rows("b")[:4] == expected
    assert again.rows("b")[4:6] == (entry.width, entry.height)
    assert all(type(value) is int for value in again.rows("b"))
    assert set(reads) == {"video_id", *VideoRows._fields}


def test_of_several_entries_the_last_one_counts(path):
    videos = StoreReader(path).videos
    assert [entry.num_rows for entry in videos.values()] == [6, 4, 6]
    assert videos["b"].first_row == 18
    assert videos["b"].path == finished("b").source.path
    with pytest.raises(KeyError):
        videos["d"]


def test_ids_of_older_stores_are_composed(tmp_path):
    path = tmp_path / "s.zarr"
    with BulkWriter(path, RGB) as writer:
        writer.add(finished("u\u0308ben"))
    store = StoreReader(path)
    assert list(store.videos) == ["\u00fcben"]
    assert store.videos["\u00fcben"].video_id == "\u00fcben"
    assert len(store.rows("\u00fcben")["features"]) > 0


def test_what_is_committed_later_stays_unknown(path):
    store = StoreReader(path)
    with BulkWriter(path, RGB) as writer:
        writer.add(finished("a", num_rows=9))
        writer.add(finished("d"))
    assert list(store.videos) == ["a", "b", "c"]
    assert store.videos["a"].num_rows == 6


def test_it_goes_to_another_process_without_the_store(path):
    table = StoreReader(path).videos
    sent = pickle.dumps(table)
    again = pickle.loads(sent)
    assert isinstance(again, VideoTable)
    assert dict(again) == dict(table)
    assert b"StoreArrays" not in sent
