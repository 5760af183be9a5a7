"""How far keypoints are from the truth: of a store, in a training, by the demo's own weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from finished_videos import RGB, finished

from extract.demo.corpus import (
    SyntheticCorpus,
    plan_corpus,
    signed_video,
    write_corpus,
)
from extract.demo.pose_error import median_errors, store_errors
from extract.demo.skeleton import ground_truth, signer_heights
from extract.pose.mmpose_model import import_mmpose
from extract.pose.provenance import find_model
from seds_core.errors import UsageError
from seds_core.store.reader import StoreReader
from seds_core.store.records import FinishedVideo
from seds_core.store.writer import StoreWriter

CORPUS = SyntheticCorpus(num_sentences=1, train_signers=1, dev_signers=0, test_signers=0, side=64)
OFFSET = np.array([3.0, 4.0], np.float32)


@pytest.fixture
def store(tmp_path: Path) -> StoreReader:
    """Every second frame of one video, all points moved by 5 pixels; no person in the last row."""
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


def test_only_visible_points_count():
    errors = np.zeros((2, 133))
    errors[:, 91:] = 4.0
    errors[:, 23:91] = 1.0
    errors[:, :17] = 90.0
    is_visible = np.ones((2, 133), dtype=bool)
    is_visible[:, :23] = False
    medians = median_errors(errors, is_visible)
    assert medians["hands"] == 4.0
    assert medians["face"] == 1.0
    assert np.isnan(medians["body"])
    assert medians["all"] == 1.0


pytestmark = pytest.mark.mmpose


@pytest.fixture(autouse=True, scope="module")
def _mmpose():
    import_mmpose()


def test_the_metric_measures_in_percent_of_the_height():
    from extract.demo.pose_dataset import KeypointErrorMetric

    truth = np.zeros((1, 133, 2))
    sample = {
        "pred_instances": {"keypoints": truth + np.array([3.0, 4.0])},
        "gt_instances": {"keypoints": truth, "keypoints_visible": np.ones((1, 133))},
        "signer_height": 200.0,
    }
    metric = KeypointErrorMetric()
    metric.process({}, [sample, sample])
    assert metric.compute_metrics(metric.results) == pytest.approx(
        {"all": 2.5, "body": 2.5, "face": 2.5, "hands": 2.5, "hands_within": 0.0}
    )


DEMO = find_model("demo")
WEIGHTS = Path(DEMO.checkpoint)
NUM_FRAMES = 36


@pytest.fixture(scope="module")
def errors():
    import_mmpose()
    from extract.demo.pose_training import held_out_errors

    torch.set_num_threads(1)
    return held_out_errors(WEIGHTS, NUM_FRAMES)


@pytest.mark.parametrize(
    ("part", "bar"), [("all", 1.5), ("body", 3.0), ("face", 1.5), ("hands", 2.5)]
)
def test_the_median_error_is_below_the_bar(errors, part, bar):
    """In percent of the signer's height."""
    assert 0 < errors[part] < bar


def test_the_file_is_small_and_read_without_running_code():
    assert WEIGHTS.stat().st_size < 15_000_000
    content = torch.load(WEIGHTS, weights_only=True)
    assert set(content) == {"state_dict", "meta"}
    assert content["meta"]["dataset_meta"]["num_keypoints"] == 133


def test_the_file_fits_the_model_exactly():
    import_mmpose()
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmpose.registry import MODELS

    init_default_scope("mmpose")
    model = MODELS.build(Config.fromfile(DEMO.config).model)
    stored = torch.load(WEIGHTS, weights_only=True)["state_dict"]
    model.load_state_dict(stored)
    assert all(weight.dtype == torch.float32 for weight in model.parameters())
    assert all(np.isfinite(weight.numpy()).all() for weight in model.state_dict().values())
