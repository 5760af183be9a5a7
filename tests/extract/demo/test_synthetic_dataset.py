"""Training samples: shapes, targets, and signers that never repeat."""

from pathlib import Path

import numpy as np
import pytest

from extract.demo import pose_training
from extract.pose.mmpose_model import import_mmpose, known_warnings_silenced

pytestmark = pytest.mark.mmpose


@pytest.fixture(scope="module")
def dataset():
    import_mmpose()
    from mmengine.registry import init_default_scope
    from mmpose.registry import DATASETS

    import extract.demo.pose_dataset  # noqa: F401 - registers the data set

    init_default_scope("mmpose")
    config = pose_training.training_config(Path("unused"))
    with known_warnings_silenced():
        return DATASETS.build(config.train_dataloader.dataset)


def test_a_sample_is_what_the_model_trains_on(dataset):
    sample = dataset[3]
    assert sample["inputs"].shape == (3, 256, 192)
    labels = sample["data_samples"].gt_instance_labels
    assert labels.keypoint_x_labels.shape == (1, 133, 384)
    assert labels.keypoint_y_labels.shape == (1, 133, 512)
    weights = labels.keypoint_weights[0]
    assert weights[91:].max() > weights[23:91].max() > 0
    assert not weights[13:23].any()


def test_pictures_are_bgr_and_points_inside_them(dataset):
    raw = dataset.raw_sample(0)
    height, width = raw["img"].shape[:2]
    np.testing.assert_array_equal(raw["bbox"], [[0, 0, width, height]])
    shown = raw["keypoints_visible"][0] > 0
    points = raw["keypoints"][0][shown]
    assert np.all((points >= 0) & (points <= (width - 1, height - 1)))
    assert 0.5 * height < raw["signer_height"] <= height


def test_samples_follow_their_number(dataset):
    first, again, other = (dataset.raw_sample(number) for number in (8, 8, 12))
    np.testing.assert_array_equal(first["img"], again["img"])
    assert first["img"].shape != other["img"].shape or np.any(first["img"] != other["img"])


def test_every_epoch_has_new_signers(dataset):
    from extract.demo.pose_dataset import NewSignersEveryEpoch

    sampler = NewSignersEveryEpoch(dataset)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert len(first) == len(second) == len(sampler) == len(dataset)
    assert not set(first) & set(second)
