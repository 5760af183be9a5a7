"""MediaPipe's estimator: without the package, with a stand-in for it, and with the real one."""

import csv
import io
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from shared_data import shared_path

from extract.pose.mediapipe_estimator import (
    BODY_POINTS,
    FACE_MESH_POINTS,
    NAMES_IN_MEDIAPIPE,
    POSE_NAMES,
    MediaPipeEstimator,
    describe_mediapipe,
    whole_body_keypoints,
)
from extract.pose.person_boxes import WholeFrameBoxes
from extract.pose.pose_stream import pose_pieces, pose_rows
from extract.stream import joined
from seds_core.errors import UnavailableError
from seds_core.keypoints import BODY_NAMES, FACE, FOOT_NAMES, LEFT_HAND, RIGHT_HAND

MODULE = "mediapipe.python.solutions.holistic"
FRAMES = np.zeros((3, 50, 100, 3), np.uint8)
BOXES = np.array([[0, 0, 100, 50]] * 3, np.float32)


def estimate(estimator: Any, frames: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    return estimator.keypoints(estimator.prepared(frames, boxes))


def landmarks(num_points: int) -> SimpleNamespace:
    return SimpleNamespace(landmark=[SimpleNamespace(x=0.5, y=0.2, visibility=0.8)] * num_points)


class StandIn:
    """Sees a body and a left hand; counts what it is asked to do."""

    calls: list[str]

    def __init__(self, *, static_image_mode: bool, model_complexity: int) -> None:
        assert not static_image_mode
        assert model_complexity == 1
        StandIn.calls = []

    def reset(self) -> None:
        self.calls.append("reset")

    def process(self, frame: np.ndarray) -> SimpleNamespace:
        assert frame.flags.c_contiguous
        self.calls.append("process")
        return SimpleNamespace(
            pose_landmarks=landmarks(33),
            left_hand_landmarks=landmarks(21),
            right_hand_landmarks=None,
            face_landmarks=None,
        )


@pytest.fixture
def estimator(monkeypatch: pytest.MonkeyPatch) -> MediaPipeEstimator:
    parts = MODULE.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules[MODULE], "Holistic", StandIn, raising=False)
    return MediaPipeEstimator()


def test_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)
    with pytest.raises(UnavailableError) as caught:
        MediaPipeEstimator()
    message = str(caught.value)
    assert "extra 'mediapipe'" in message
    assert 'pip install -e ".[mediapipe]"' in message
    assert "pip install --no-deps mediapipe==0.10.21" in message


def test_landmarks_become_pixels(estimator: MediaPipeEstimator) -> None:
    estimator.start_video()
    keypoints = estimate(estimator, FRAMES, BOXES)
    assert keypoints.shape == (3, 133, 3)
    np.testing.assert_allclose(keypoints[:, 0], [[50, 10, 0.8]] * 3, rtol=1e-6)
    np.testing.assert_allclose(keypoints[:, 91], [[50, 10, 1.0]] * 3, rtol=1e-6)
    assert np.isnan(keypoints[:, 112:, :2]).all()


def test_keypoints_of_several_videos_are_one_array(estimator: MediaPipeEstimator) -> None:
    items = []
    for width in (100, 50):
        estimator.start_video()
        items += estimator.prepared(FRAMES[:2, :, :width], BOXES[:2])
    keypoints = estimator.keypoints(items[1:])
    assert keypoints.dtype == np.float32
    np.testing.assert_array_equal(keypoints[:, 0, 0], [50, 25, 25])
    assert estimator.keypoints([]).shape == (0, 133, 3)


def test_every_video_and_only_a_video_starts_anew(estimator: MediaPipeEstimator) -> None:
    StandIn.calls.clear()
    for _ in range(2):
        estimator.start_video()
        estimate(estimator, FRAMES[:1], BOXES[:1])
        estimate(estimator, FRAMES[:1], BOXES[:1])
    assert StandIn.calls == ["reset", "process", "process"] * 2


@pytest.mark.parametrize(
    "error", [TypeError("Descriptors cannot be created directly.\nIf this"), AttributeError("x")]
)
def test_another_protobuf_is_a_sentence(
    estimator: MediaPipeEstimator, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def start(**_: object) -> None:
        raise error

    monkeypatch.setattr(sys.modules[MODULE], "Holistic", start)
    with pytest.raises(UnavailableError, match=r"protobuf \d+.*pip install -e") as caught:
        MediaPipeEstimator()
    assert "\n" not in str(caught.value)


class Package:
    """An installed MediaPipe."""

    version = "0.10.21"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def locate_file(self, name: str) -> Path:
        return self._folder / name


def test_what_is_remembered_are_version_and_models(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "extract.pose.mediapipe_estimator.distribution", lambda _name: Package(tmp_path)
    )
    folder = tmp_path / "mediapipe" / "modules" / "pose"
    folder.mkdir(parents=True)
    (folder / "pose_full.tflite").write_bytes(b"1")
    described = describe_mediapipe()
    assert described.config == "mediapipe 0.10.21 holistic, complexity 1"
    assert not described.is_random
    (folder / "pose_heavy.tflite").write_bytes(b"downloaded later, not used")
    assert describe_mediapipe() == described
    (folder / "pose_full.tflite").write_bytes(b"2")
    assert describe_mediapipe().model_sha256 != described.model_sha256


class PlainUnpickler(pickle.Unpickler):
    """Reads arrays only."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("numpy") and name in {"_reconstruct", "ndarray", "dtype"}:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name}")


def real_video(video_id: str) -> tuple[np.ndarray, np.ndarray]:
    """Frames, and the keypoints that were made of them elsewhere with the same MediaPipe."""
    import decord

    folder: Path = shared_path("realsigns/karsl70")
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        path = next(row["path"] for row in csv.DictReader(file) if row["video_id"] == video_id)
    content = (folder / "keypoints" / f"{video_id}.pkl").read_bytes()
    reader = decord.VideoReader(str(folder / path))
    frames = reader.get_batch(range(len(reader))).asnumpy()
    return frames, PlainUnpickler(io.BytesIO(content)).load()["keypoints"]


@pytest.mark.shared
def test_real_keypoints_equal_those_of_the_shared_data_and_repeat() -> None:
    frames, expected = real_video("0001-test")
    estimator = MediaPipeEstimator()
    first, second = (
        joined(pose_rows(estimator, list(pieces)))["keypoints"]
        for pieces in (
            pose_pieces(estimator, WholeFrameBoxes(0.3), [frames], frames.shape[2:0:-1])
            for _ in range(2)
        )
    )
    np.testing.assert_array_equal(first, second)
    for part in (slice(0, 17), slice(23, 91), slice(91, 112)):
        distance = np.linalg.norm(first[:, part, :2] - expected[:, part, :2], axis=-1)
        assert np.median(distance) < 1.0  # pixels


def test_mediapipe_and_tensorboard_share_one_protobuf(tmp_path: Path) -> None:
    script = (
        "from extract.pose.mediapipe_estimator import MediaPipeEstimator\n"
        "from torch.utils.tensorboard import SummaryWriter\n"
        "MediaPipeEstimator()\n"
        f"with SummaryWriter({str(tmp_path)!r}) as events:\n"
        "    events.add_scalar('loss', 1.0, 1)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert len(list(tmp_path.glob("events.*"))) == 1


def numbered(num_points: int) -> np.ndarray:
    """Point i lies at (i, -i), half visible."""
    index = np.arange(num_points, dtype=np.float32)
    return np.stack([index, -index, np.full_like(index, 0.5)], axis=1)


def test_body_points_have_the_same_names() -> None:
    names = BODY_NAMES + FOOT_NAMES
    assert len(POSE_NAMES) == 33
    assert len(BODY_POINTS) == len(names) == 23
    for name, point in zip(names, BODY_POINTS, strict=True):
        assert POSE_NAMES[point] == NAMES_IN_MEDIAPIPE.get(name, name)


def test_wrists_and_shoulders_are_where_mediapipe_documents_them() -> None:
    assert [BODY_POINTS[keypoint] for keypoint in (0, 5, 6, 9, 10, 15, 16)] == [
        0, 11, 12, 15, 16, 27, 28,
    ]  # fmt: skip


def test_face_has_68_points_of_the_mesh() -> None:
    assert len(FACE_MESH_POINTS) == 68
    assert all(0 <= point < 468 for point in FACE_MESH_POINTS)


def test_left_and_right_of_the_face_are_not_mixed_up() -> None:
    """Symmetric facial keypoints must be symmetric mesh points; some pairs as Google lists them."""
    mirrored = {33: 263, 133: 362, 61: 291, 234: 454, 71: 301, 107: 336, 97: 326, 160: 387}
    symmetric = {36: 45, 39: 42, 48: 54, 1: 15, 17: 26, 21: 22, 32: 34, 37: 44}
    for right, left in symmetric.items():
        assert mirrored[FACE_MESH_POINTS[right]] == FACE_MESH_POINTS[left]


def test_all_parts_go_to_their_places() -> None:
    keypoints = whole_body_keypoints(numbered(33), numbered(21), numbered(21) + 100, numbered(468))
    assert keypoints.dtype == np.float32
    np.testing.assert_array_equal(keypoints[:23, 0], BODY_POINTS)
    np.testing.assert_array_equal(keypoints[:23, 2], 0.5)
    np.testing.assert_array_equal(keypoints[FACE, 0], FACE_MESH_POINTS)
    np.testing.assert_array_equal(keypoints[LEFT_HAND, 0], np.arange(21))
    np.testing.assert_array_equal(keypoints[RIGHT_HAND, 0], np.arange(100, 121))
    assert (keypoints[23:, 2] == 1).all()


def test_parts_that_were_not_found_have_no_place_and_no_confidence() -> None:
    keypoints = whole_body_keypoints(numbered(33), None, numbered(21), None)
    assert np.isnan(keypoints[LEFT_HAND, :2]).all()
    assert np.isnan(keypoints[FACE, :2]).all()
    assert (keypoints[LEFT_HAND, 2] == 0).all()
    assert not np.isnan(keypoints[RIGHT_HAND]).any()


def test_nobody() -> None:
    keypoints = whole_body_keypoints(None, None, None, None)
    assert np.isnan(keypoints[:, :2]).all()
    assert (keypoints[:, 2] == 0).all()
