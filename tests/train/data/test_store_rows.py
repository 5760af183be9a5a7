import pickle

import numpy as np
from small_stores import LENGTHS, RGB, rgb_video, write_store

from seds_core.store.reader import StoreReader
from train.data.store_rows import StoreRows, locate


def test_rows_of_a_video_here_and_in_another_process(tmp_path):
    videos = {video_id: rgb_video(video_id, length) for video_id, length in LENGTHS.items()}
    rows = StoreRows.of(StoreReader(write_store(tmp_path / "rgb.zarr", RGB, list(videos.values()))))
    for video_id, video in videos.items():
        np.testing.assert_array_equal(
            rows.read(locate(video_id, [rows]), "features"), video.rows["features"]
        )
    sent = pickle.loads(pickle.dumps(rows))
    assert sent.videos is None
    assert "_arrays" in vars(rows)
    assert "_arrays" not in vars(sent)
    np.testing.assert_array_equal(
        sent.read(locate("c", [rows]), "features"), videos["c"].rows["features"]
    )


def test_a_store_that_grows_stays_as_it_was(tmp_path):
    path = write_store(tmp_path / "rgb.zarr", RGB, [rgb_video("a", 30)])
    rows = StoreRows.of(StoreReader(path))
    video = locate("a", [rows])
    before = rows.read(video, "features")
    write_store(path, RGB, [rgb_video("a", 21, content="c1")])
    again = pickle.loads(pickle.dumps(rows))
    np.testing.assert_array_equal(again.read(video, "features"), before)


def test_arrays_in_memory_give_the_same_rows(tmp_path):
    path = write_store(tmp_path / "rgb.zarr", RGB, [rgb_video(v, n) for v, n in LENGTHS.items()])
    store = StoreReader(path)
    held, read = StoreRows.of(store, "first_frame"), StoreRows.of(store)
    for video_id in LENGTHS:
        video = locate(video_id, [read])
        expected = read.read(video, "first_frame")
        np.testing.assert_array_equal(held.read(video, "first_frame"), expected)
    assert "_arrays" not in vars(held)
