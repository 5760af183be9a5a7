import pickle

import pytest
from finished_videos import RGB, finished

from seds_core.store.layout import VIDEO_ARRAYS
from seds_core.store.reader import StoreReader, VideoRows, VideoTable
from seds_core.store.writer import BulkWriter


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
    read = StoreArrays.read_video_column

    def counted(self, name, stop):
        names.append(name)
        return read(self, name, stop)

    monkeypatch.setattr(StoreArrays, "read_video_column", counted)
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
    assert again.rows("b")[4:] == (entry.width, entry.height)
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
