"""A batch gives what MMPose's own inference gives frame by frame, from the same weights file."""

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lively_norms import enliven_norms

from extract.pose.mmpose_estimator import (
    MMPoseEstimator,
    decodes_plainly,
    into_image,
    simcc_keypoints,
    simcc_scores,
)
from extract.pose.mmpose_model import import_mmpose, load_mmpose_model
from extract.pose.person_crop import CroppedFrame
from extract.pose.provenance import PoseModelSource, find_model
from extract.settings import Precision

pytestmark = pytest.mark.mmpose

CPU = torch.device("cpu")
BOXES = np.array([[0, 0, 160, 120], [40, 10, 110, 120], [-10, 5, 90, 100.5]], np.float32)


def estimate(estimator: Any, frames: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    return estimator.keypoints(estimator.prepared(frames, boxes))


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
    keypoints = estimate(MMPoseEstimator(model, CPU), frames, BOXES)
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


def test_prepared_frames_keep_nothing_of_the_boxes(small_model: Any) -> None:
    estimator = MMPoseEstimator(small_model, CPU)
    frames = coloured_frames(2)
    expected = estimate(estimator, frames, BOXES[:2])
    boxes = BOXES[:2].copy()
    items = estimator.prepared(frames, boxes)
    boxes[:] = 7
    np.testing.assert_array_equal(estimator.keypoints(items), expected)


def test_the_model_itself_is_left_as_it_is(small_model: Any) -> None:
    before = {name: value.clone() for name, value in small_model.network.state_dict().items()}
    estimate(MMPoseEstimator(small_model, CPU), coloured_frames(1), BOXES[:1])
    after = small_model.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("flip_test", [False, True])
def test_our_crop_and_decoding_equal_those_of_mmpose_to_the_bit(flip_test: bool) -> None:
    model = load_mmpose_model(find_model("demo", "random"), CPU, flip_test=flip_test)
    enliven_norms(model.network)
    ours, theirs = MMPoseEstimator(model, CPU), MMPoseEstimator(model, CPU)
    assert ours.crop is not None
    theirs.crop = None  # As for a pipeline or a head that is not known.
    frames = coloured_frames(3)
    np.testing.assert_array_equal(estimate(ours, frames, BOXES), estimate(theirs, frames, BOXES))


def test_frames_are_read_as_rgb(small_model: Any) -> None:
    estimator = MMPoseEstimator(small_model, CPU)
    frames = coloured_frames(1)
    keypoints = estimate(estimator, frames, BOXES[:1])
    swapped = estimate(estimator, frames[..., ::-1], BOXES[:1])
    assert not np.array_equal(keypoints, swapped)


def test_a_cpu_computes_in_float32_whatever_the_precision(small_model: Any) -> None:
    frames = coloured_frames(2)
    exact = estimate(MMPoseEstimator(small_model, CPU), frames, BOXES[:2])
    asked = estimate(MMPoseEstimator(small_model, CPU, "float16"), frames, BOXES[:2])
    np.testing.assert_array_equal(asked, exact)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_a_gpu_gives_nearly_the_same_in_reduced_precision(precision: Precision) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    device = torch.device("cuda")
    model = load_mmpose_model(find_model("demo", "random"), device, flip_test=False)
    frames = coloured_frames(2)
    exact = estimate(MMPoseEstimator(model, device), frames, BOXES[:2])
    reduced = estimate(MMPoseEstimator(model, device, precision), frames, BOXES[:2])
    assert not np.array_equal(exact[..., 2], reduced[..., 2])
    np.testing.assert_allclose(reduced[..., 2], exact[..., 2], rtol=0.1, atol=0.01)


def test_the_corners_of_the_input_are_those_of_the_region() -> None:
    center, scale = np.array([[50, 60], [24, 48]], np.float32)
    crop = CroppedFrame(np.zeros((96, 48, 3), np.uint8), center, scale)
    corners = np.array([[[0, 0], [48, 96]]], np.float32)
    np.testing.assert_array_equal(into_image(corners, [crop], (48, 96)), [[[38, 36], [62, 84]]])


def codec(**settings: Any) -> Any:
    import_mmpose()
    from mmpose.codecs import SimCCLabel

    return SimCCLabel((192, 256), **settings)


def test_places_and_confidence_equal_the_codec() -> None:
    generator = torch.Generator().manual_seed(0)
    # Whole numbers give ties; some points have no positive score along one or both axes.
    x = torch.randint(-40, 4, (3, 133, 384), generator=generator).float()
    y = torch.randint(-40, 6, (3, 133, 512), generator=generator).float()
    x[0, :5], y[0, 3:9] = -1.5, 0.0
    found = simcc_keypoints(x, y, 2.0).numpy()
    for sample in range(3):
        keypoints, scores = codec().decode(x[sample].numpy(), y[sample].numpy())
        np.testing.assert_array_equal(found[sample, :, :2], keypoints[0])
        np.testing.assert_array_equal(found[sample, :, 2], scores[0])
    assert (found[0, :9, :2] == -0.5).all()


def test_a_flip_test_averages_with_the_mirrored_scores_of_the_other_side() -> None:
    x = torch.arange(12.0).reshape(1, 3, 4)
    y = torch.arange(6.0).reshape(1, 3, 2)
    mirrored_x = x[:, [0, 2, 1]].flip(-1) + 2
    mirrored_y = y[:, [0, 2, 1]] + 4
    results = {"direct": (x, y), "mirrored": (mirrored_x, mirrored_y)}
    got_x, got_y = simcc_scores(results.get, ["direct", "mirrored"], [0, 2, 1])
    torch.testing.assert_close(got_x, x + 1)
    torch.testing.assert_close(got_y, y + 2)
    assert simcc_scores(results.get, "direct", [])[0] is x


def test_only_plain_codecs_are_decoded_here() -> None:
    head = load_mmpose_model(find_model("demo", "random"), CPU, flip_test=False).network.head
    assert decodes_plainly(head, {"flip_test": True})
    assert not decodes_plainly(head, {"output_keypoint_indices": [0]})
    for settings in ({"use_dark": True}, {"decode_visibility": True}):
        head.decoder = codec(**settings)
        assert not decodes_plainly(head, {})
    assert not decodes_plainly(SimpleNamespace(decoder=codec()), {})
