"""Medians over visible points, part by part."""

import numpy as np
import pytest

from extract.pose.mmpose_imports import import_mmpose

pytestmark = pytest.mark.mmpose


@pytest.fixture(autouse=True, scope="module")
def _mmpose():
    import_mmpose()


def test_only_visible_points_count():
    from extract.demo_pose.keypoint_error import median_errors

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


def test_the_metric_measures_in_percent_of_the_height():
    from extract.demo_pose.keypoint_error import KeypointErrorMetric

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
