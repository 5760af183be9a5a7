"""A batch gives what MMPose's own inference gives frame by frame, from the same weights file."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lively_norms import enliven_norms

from extract.pose.mmpose_estimator import MMPoseEstimator
from extract.pose.mmpose_model import load_mmpose_model
from extract.pose.provenance import PoseModelSource, find_model
from extract.settings import Precision

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
    enliven_norms(network)
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
    assert np.mean(np.ptp(keypoints[..., :2], axis=0) > 1) > 0.9  # Nearly all points move.


@pytest.fixture(scope="module")
def small_model() -> Any:
    model = load_mmpose_model(find_model("demo", "random"), CPU, flip_test=False)
    enliven_norms(model.network)
    return model


def prepared_one_by_one(estimator: MMPoseEstimator) -> list[Any]:
    """Items of frames of three sizes."""
    frames = coloured_frames(9)
    sizes = [(120, 160), (120, 100), (70, 160)]
    return [
        estimator.prepared(frames[i : i + 1, :height, :width], BOXES[i % 2 : i % 2 + 1])[0]
        for i, (height, width) in enumerate(sizes * 3)
    ]


@pytest.mark.parametrize(
    ("name", "flip_test"), [("demo", False), ("demo", True), ("rtmpose-m", False)]
)
def test_a_frame_gives_the_same_bits_whatever_its_neighbours_are(
    name: str, flip_test: bool
) -> None:
    model = load_mmpose_model(find_model(name, "random"), CPU, flip_test=flip_test)
    enliven_norms(model.network)
    estimator = MMPoseEstimator(model, CPU, batch_size=4)
    items = prepared_one_by_one(estimator)
    together = estimator.keypoints(items)
    order = [4, 0, 8, 2, 2, 7, 1, 3, 6, 5]
    np.testing.assert_array_equal(estimator.keypoints([items[i] for i in order]), together[order])
    for i in (0, 4, 8):
        np.testing.assert_array_equal(estimator.keypoints(items[i : i + 1])[0], together[i])
    assert len({keypoints.tobytes() for keypoints in together}) == len(items)


def test_every_forward_pass_has_the_same_size(small_model: Any) -> None:
    estimator = MMPoseEstimator(small_model, CPU, batch_size=4)
    sizes = []
    network = estimator._network
    extract = network.extract_feat
    network.extract_feat = lambda images: sizes.append(len(images)) or extract(images)
    items = estimator.prepared(coloured_frames(6), np.tile(BOXES[:1], (6, 1)))
    assert estimator.keypoints(items).shape == (6, 133, 3)
    assert sizes == [4, 4]
    assert estimator.keypoints([]).shape == (0, 133, 3)
    assert sizes == [4, 4]


def test_without_memory_forward_passes_become_smaller(small_model: Any) -> None:
    estimator = MMPoseEstimator(small_model, CPU, batch_size=8)
    items = estimator.prepared(coloured_frames(5), np.tile(BOXES[:1], (5, 1)))
    expected = estimator.keypoints(items)
    sizes = []
    network = estimator._network
    extract = network.extract_feat

    def extract_at_most_two(images: Any) -> Any:
        sizes.append(len(images))
        if len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return extract(images)

    network.extract_feat = extract_at_most_two
    np.testing.assert_allclose(estimator.keypoints(items), expected, rtol=1e-3, atol=1e-3)
    assert sizes == [8, 4, 2, 2, 2]


def test_prepared_frames_keep_nothing_of_the_frames(small_model: Any) -> None:
    estimator = MMPoseEstimator(small_model, CPU)
    frames = coloured_frames(2)
    expected = estimator.estimate(frames.copy(), BOXES[:2])
    boxes = BOXES[:2].copy()
    items = estimator.prepared(frames, boxes)
    frames[:], boxes[:] = 0, 7
    np.testing.assert_array_equal(estimator.keypoints(items), expected)


def test_the_model_itself_is_left_as_it_is(small_model: Any) -> None:
    before = {name: value.clone() for name, value in small_model.network.state_dict().items()}
    MMPoseEstimator(small_model, CPU).estimate(coloured_frames(1), BOXES[:1])
    after = small_model.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("flip_test", [False, True])
def test_our_crop_and_decoding_equal_those_of_mmpose_to_the_bit(flip_test: bool) -> None:
    model = load_mmpose_model(find_model("demo", "random"), CPU, flip_test=flip_test)
    enliven_norms(model.network)
    ours, theirs = MMPoseEstimator(model, CPU), MMPoseEstimator(model, CPU)
    assert ours._crop is not None
    theirs._crop = None  # As for a pipeline or a head that is not known.
    frames = coloured_frames(3)
    np.testing.assert_array_equal(ours.estimate(frames, BOXES), theirs.estimate(frames, BOXES))


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
