"""A file in the published layout gives the published features, from its bytes to the vectors."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from shared_data import golden_path

from extract.rgb.backbones import Backbone, load_backbone
from extract.rgb.rgb_stream import clip_features

pytestmark = pytest.mark.golden


@pytest.fixture(scope="module")
def published() -> dict[str, np.ndarray]:
    with np.load(golden_path("i3d.npz")) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    case = json.loads(golden_path("case.json").read_text())
    layout = json.loads(golden_path("reference_layout_i3d.json").read_text())
    weights = _seeded_weights().seeded_state_dict(layout, case["seed"], case["i3d_gain"])
    path = tmp_path_factory.mktemp("weights") / "published.pth.tar"
    state = {name: torch.as_tensor(array) for name, array in weights.items()}
    torch.save({"state_dict": state, "epoch": 3, "best_acc": np.float64(0.5)}, path)
    return load_backbone("i3d", str(path))


def _seeded_weights():
    path: Path = golden_path("seeded_weights.py")
    spec = importlib.util.spec_from_file_location("seeded_weights", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def relative_error(values: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(values - expected).max() / np.abs(expected).max())


def test_features_of_every_window(backbone: Backbone, published: dict[str, np.ndarray]) -> None:
    features = clip_features(backbone, [published["frames"]], range(5), batch_size=2)
    assert relative_error(features, published["features"]) < 1e-4


def test_a_short_video_repeats_its_last_frame(
    backbone: Backbone, published: dict[str, np.ndarray]
) -> None:
    features = clip_features(backbone, [published["frames"][:10]], [0], batch_size=8)
    assert relative_error(features, published["features_of_first_10_frames"]) < 1e-4


def test_class_scores(backbone: Backbone, published: dict[str, np.ndarray]) -> None:
    clip = backbone.prepare(torch.from_numpy(published["frames"][:16]))
    with torch.inference_mode():
        features = backbone.features(clip[None])
        logits = backbone.network.logits["conv3d"](features[..., None, None, None]).flatten()
    assert relative_error(logits.numpy(), published["logits_first_window"]) < 1e-4
