"""A batch gives what MMPose's own inference gives frame by frame, from the same weights file."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from extract.pose.mmpose_estimator import MMPoseEstimator
from extract.pose.mmpose_model import load_mmpose_model
from extract.pose.model_aliases import PoseModelSource, find_model
from extract.pose.settings import Precision

pytestmark = pytest.mark.mmpose

CPU = torch.device("cpu")
BOXES = np.array([[0, 0, 160, 120], [40, 10, 110, 120], [-10, 5, 90, 100.5]], np.float32)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def coloured_frames(num_frames: int) -> np.ndarray:
    """Smooth RGB images whose channels differ."""
    coarse = np.random.default_rng(0).integers(0, 256, (num_frames, 6, 8, 3))
    return np.kron(coarse, np.ones((1, 20, 20, 1))).astype(np.uint8)


def weights_file(source: PoseModelSource, path: Path) -> PoseModelSource:
    """Random weights in a file, so that MMPose can load the same ones."""
    network = load_mmpose_model(source, CPU, flip_test=False).network
    torch.save({"state_dict": network.state_dict()}, path)
    return PoseModelSource(source.name, source.config, str(path))


def found_by_mmpose(
    source: PoseModelSource, frames: np.ndarray, boxes: np.ndarray, flip_test: bool
) -> np.ndarray:
    """Keypoints and scores from ``init_model`` and ``inference_topdown``."""
    from mmengine.config import Config
    from mmpose.apis import inference_topdown, init_model

    config: Any = Config.fromfile(source.config)
    config.model.backbone.pop("_scope_", None)
    config.model.test_cfg.flip_test = flip_test
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = init_model(config, source.checkpoint, device="cpu")
        for frame, box in zip(frames, boxes, strict=True):
            bgr = np.ascontiguousarray(frame[..., ::-1])
            (sample,) = inference_topdown(model, bgr, box[None])
            people = sample.pred_instances
            found.append(np.c_[people.keypoints[0], people.keypoint_scores[0]])
    return np.stack(found)


@pytest.mark.parametrize(
    ("name", "flip_test"), [("rtmpose-m", False), ("rtmpose-m", True), ("hrnet-w32", False)]
)
def test_batches_equal_the_inference_of_mmpose(tmp_path: Path, name: str, flip_test: bool) -> None:
    source = weights_file(find_model(name, "random"), tmp_path / "weights.pth")
    frames = coloured_frames(len(BOXES))
    model = load_mmpose_model(source, CPU, flip_test=flip_test)
    keypoints = MMPoseEstimator(model, CPU).estimate(frames, BOXES)
    expected = found_by_mmpose(source, frames, BOXES, flip_test)
    np.testing.assert_allclose(keypoints[..., :2], expected[..., :2], atol=0.05)
    np.testing.assert_allclose(keypoints[..., 2], expected[..., 2], rtol=1e-3, atol=1e-6)
    assert np.ptp(keypoints[..., 0]) > 10  # The comparison is not one of constants.


@pytest.fixture(scope="module")
def small_model() -> Any:
    return load_mmpose_model(find_model("demo", "random"), CPU, flip_test=False)


def test_a_frame_gives_the_same_in_every_batch(small_model: Any) -> None:
    frames = coloured_frames(3)
    estimator = MMPoseEstimator(small_model, CPU)
    together = estimator.estimate(frames, BOXES)
    estimator.start_video()
    alone = [estimator.estimate(frames[i : i + 1], BOXES[i : i + 1]) for i in range(3)]
    np.testing.assert_allclose(np.concatenate(alone)[..., 2], together[..., 2], rtol=1e-3)


def test_frames_are_read_as_rgb(small_model: Any) -> None:
    estimator = MMPoseEstimator(small_model, CPU)
    frames = coloured_frames(1)
    keypoints = estimator.estimate(frames, BOXES[:1])
    swapped = estimator.estimate(frames[..., ::-1], BOXES[:1])
    assert not np.array_equal(keypoints, swapped)


def test_a_cpu_computes_in_float32_whatever_the_precision(small_model: Any) -> None:
    frames = coloured_frames(2)
    exact = MMPoseEstimator(small_model, CPU).estimate(frames, BOXES[:2])
    asked = MMPoseEstimator(small_model, CPU, "float16").estimate(frames, BOXES[:2])
    np.testing.assert_array_equal(asked, exact)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_a_gpu_gives_nearly_the_same_in_reduced_precision(precision: Precision) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    device = torch.device("cuda")
    model = load_mmpose_model(find_model("demo", "random"), device, flip_test=False)
    frames = coloured_frames(2)
    exact = MMPoseEstimator(model, device).estimate(frames, BOXES[:2])
    reduced = MMPoseEstimator(model, device, precision).estimate(frames, BOXES[:2])
    assert not np.array_equal(exact[..., 2], reduced[..., 2])
    np.testing.assert_allclose(reduced[..., 2], exact[..., 2], rtol=0.1, atol=0.01)
