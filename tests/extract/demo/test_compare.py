"""A store whose keypoints are off by a known distance is measured to be off by it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finished_videos import RGB, finished

from extract.demo.corpus import (
    SyntheticCorpus,
    plan_corpus,
    signed_video,
    write_corpus,
)
from extract.demo.pose_error import store_errors
from extract.demo.skeleton import ground_truth, signer_heights
from seds_core.errors import UsageError
from seds_core.store.reader import StoreReader
from seds_core.store.staging import FinishedVideo
from seds_core.store.writer import StoreWriter

CORPUS = SyntheticCorpus(num_sentences=1, train_signers=1, dev_signers=0, test_signers=0, side=64)
OFFSET = np.array([3.0, 4.0], np.float32)


@pytest.fixture
def store(tmp_path: Path) -> StoreReader:
    """Every second frame of the one video, all points moved by 5 pixels, the last row nobody."""
    [planned] = plan_corpus(CORPUS)
    keypoints = ground_truth(signed_video(planned).posed)[::2].copy()
    keypoints[..., :2] += OFFSET
    keypoints[-1, :, :2] = np.nan
    num_rows = len(keypoints)
    rows = {
        "keypoints": keypoints,
        "person_found": np.arange(num_rows) < num_rows - 1,
        "person_box": np.zeros((num_rows, 4), np.float32),
        "frame": 2 * np.arange(num_rows, dtype=np.int32),
    }
    source = replace(finished(planned.video_id).source, frame_step=2)
    with StoreWriter(tmp_path / "pose.zarr", replace(RGB, kind="pose")) as writer:
        writer.want([planned.video_id])
        writer.claim()
        writer.finish(FinishedVideo(source, rows))
    return StoreReader(tmp_path / "pose.zarr")


def test_the_error_is_the_distance_in_percent_of_the_height(store, tmp_path):
    write_corpus(tmp_path / "corpus", CORPUS)
    errors, counts = store_errors(store, tmp_path / "corpus")
    [planned] = plan_corpus(CORPUS)
    heights = signer_heights(signed_video(planned).posed)[::2]
    assert not counts[-1].any()
    assert counts[:-1].any(axis=1).all()
    np.testing.assert_allclose(errors[0, 0], 100 * 5 / heights[0], rtol=1e-5)


def test_a_folder_without_a_corpus_is_refused(store, tmp_path):
    with pytest.raises(UsageError, match="holds no corpus"):
        store_errors(store, tmp_path)
