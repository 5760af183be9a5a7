"""Extraction as a step of a Ray Dataset: what a batch becomes."""

from functools import partial

import mean_stream
import numpy as np
import pytest
from mean_stream import MeanStream, write_pipeline

from extract.ray_data import ExtractVideos
from seds_core.store.reader import StoreReader


@pytest.fixture
def extractor(tmp_path, monkeypatch):
    monkeypatch.delattr("__main__.__file__", raising=False)  # as it does itself
    load = partial(mean_stream.load, MeanStream(break_on="4"))
    return ExtractVideos("rgb", pipeline="tiny", pipelines=write_pipeline(tmp_path), load=load)


def test_a_batch_gets_the_rows_of_its_videos_in_its_order(extractor, run, corpus, tmp_path):
    """Twice the same, an empty one, and one at which the program fails."""
    assert run(store=tmp_path / "rgb.zarr")[0] == 0
    store = StoreReader(tmp_path / "rgb.zarr")
    (tmp_path / "empty.mp4").touch()
    paths = [corpus.path("video5"), corpus.path("video1"), tmp_path / "empty.mp4"]
    paths += [corpus.path("video5"), corpus.path("video0"), corpus.path("video0")]
    batch = {"path": np.array([str(path) for path in paths], object), "split": np.arange(6)}
    made = extractor(batch)
    assert made["split"].tolist() == list(range(6))
    for n, video_id in ((0, "video5"), (1, "video1"), (3, "video5"), (5, "video0")):
        for name in ("features", "first_frame"):
            np.testing.assert_array_equal(made[name][n], store.rows(video_id)[name])
        assert made["num_frames"][n] == store.videos[video_id].num_frames
        assert made["problem"][n] == ""
    assert "empty" in made["problem"][2]
    assert made["problem"][4] == "RuntimeError: the network broke"
    assert made["features"][2].shape == made["features"][4].shape == (0, 8)
    assert made["fps"].tolist() == [25.0, 25.0, 0.0, 25.0, 0.0, 25.0]
