"""The weights that the project carries find the keypoints of signers they never saw."""

import numpy as np
import pytest
import torch

from extract.demo.pose_config import WEIGHTS_PATH, demo_pose_config
from extract.pose.mmpose_model import import_mmpose

pytestmark = pytest.mark.mmpose

NUM_FRAMES = 36


@pytest.fixture(scope="module")
def errors():
    import_mmpose()
    from extract.demo.pose_training import held_out_errors

    torch.set_num_threads(1)
    return held_out_errors(WEIGHTS_PATH, NUM_FRAMES)


@pytest.mark.parametrize(
    ("part", "bar"), [("all", 1.5), ("body", 3.0), ("face", 1.5), ("hands", 2.5)]
)
def test_the_median_error_is_below_the_bar(errors, part, bar):
    """In percent of the signer's height."""
    assert 0 < errors[part] < bar


def test_the_file_is_small_and_read_without_running_code():
    assert WEIGHTS_PATH.stat().st_size < 15_000_000
    content = torch.load(WEIGHTS_PATH, weights_only=True)
    assert set(content) == {"state_dict", "meta"}
    assert content["meta"]["dataset_meta"]["num_keypoints"] == 133


def test_the_file_fits_the_model_exactly():
    import_mmpose()
    from mmengine.registry import init_default_scope
    from mmpose.registry import MODELS

    init_default_scope("mmpose")
    model = MODELS.build(demo_pose_config().model)
    stored = torch.load(WEIGHTS_PATH, weights_only=True)["state_dict"]
    model.load_state_dict(stored)
    assert all(weight.dtype == torch.float32 for weight in model.parameters())
    assert all(np.isfinite(weight.numpy()).all() for weight in model.state_dict().values())
