"""The metric that MMEngine calls while a model trains."""

import numpy as np
import pytest

from extract.pose.mmpose_model import import_mmpose

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
