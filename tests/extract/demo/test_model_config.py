"""The configuration is a small RTMPose that MMPose builds and calls."""

import numpy as np
import pytest
import torch

from extract.demo.pose_config import demo_pose_config
from extract.pose.mmpose_model import import_mmpose, known_warnings_silenced

pytestmark = pytest.mark.mmpose


def test_mmpose_builds_it_and_finds_133_points_in_a_picture():
    import_mmpose()
    from mmpose.apis import inference_topdown, init_model

    torch.set_num_threads(1)
    with known_warnings_silenced():
        model = init_model(demo_pose_config(), device="cpu")
        (result,) = inference_topdown(model, np.zeros((100, 80, 3), dtype=np.uint8))
    assert result.pred_instances.keypoints.shape == (1, 133, 2)
    assert model.dataset_meta["num_keypoints"] == 133
    assert sum(weight.numel() for weight in model.parameters()) < 6_000_000


def test_every_call_gives_a_configuration_of_its_own():
    first = demo_pose_config()
    first.model.head.out_channels = 17
    assert demo_pose_config().model.head.out_channels == 133
