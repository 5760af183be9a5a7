"""Models are built without downloads and filled only with weights that fit exactly."""

from pathlib import Path

import pytest
import torch

from extract.demo.pose_config import demo_pose_config
from extract.pose.mmpose_config import describe_model, read_config
from extract.pose.mmpose_model import CheckpointError, MMPoseModel, load_mmpose_model
from extract.pose.provenance import PoseModelSource, find_model
from extract.weights_cache import file_sha256
from seds_core.errors import UsageError

pytestmark = pytest.mark.mmpose

CPU = torch.device("cpu")


def load(source: PoseModelSource) -> MMPoseModel:
    return load_mmpose_model(source, CPU, flip_test=False)


@pytest.fixture(scope="module")
def random_model() -> MMPoseModel:
    return load(find_model("demo", "random"))


def test_random_weights_are_marked_and_reproducible(random_model: MMPoseModel) -> None:
    assert random_model.provenance.is_random
    assert random_model.provenance.source == "random"
    assert random_model.provenance.sha256 == ""
    again = load(find_model("demo", "random")).network.state_dict()
    for name, value in random_model.network.state_dict().items():
        assert torch.equal(value, again[name]), name


def test_building_leaves_the_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load(find_model("demo", "random"))
    assert torch.equal(torch.rand(1), expected)


def test_weights_come_from_the_file(random_model: MMPoseModel, tmp_path: Path) -> None:
    weights = {name: value + 1 for name, value in random_model.network.state_dict().items()}
    path = tmp_path / "mine.pth"
    torch.save({"state_dict": weights, "meta": {"dataset_meta": {"name": "mine"}}}, path)
    model = load(find_model("demo", str(path)))
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, weights[name]), name
    assert model.dataset_meta == {"name": "mine"}
    assert not model.network.training
    assert model.provenance.source == str(path)
    assert model.provenance.sha256 == file_sha256(path)
    assert not model.provenance.is_random


def test_keypoints_are_described_when_the_file_does_not(random_model: MMPoseModel) -> None:
    assert len(random_model.dataset_meta["flip_indices"]) == 133


def test_weights_that_do_not_fit_are_listed(random_model: MMPoseModel, tmp_path: Path) -> None:
    weights = dict(random_model.network.state_dict())
    weights["head.added.weight"] = weights.pop("head.final_layer.weight")
    path = tmp_path / "mine.pth"
    torch.save(weights, path)
    expected = r"Missing: head\.final_layer\.weight\. Unexpected: head\.added\.weight"
    with pytest.raises(CheckpointError, match=expected):
        load(find_model("demo", str(path)))


def test_names_of_mmpose_0_are_understood(random_model: MMPoseModel, tmp_path: Path) -> None:
    weights = random_model.network.state_dict()
    old = {name.replace("head.", "keypoint_head.", 1): value for name, value in weights.items()}
    assert old.keys() != weights.keys()
    path = tmp_path / "old.pth"
    torch.save({"state_dict": old}, path)
    load(find_model("demo", str(path)))


def test_tensors_of_another_shape_are_listed(random_model: MMPoseModel, tmp_path: Path) -> None:
    weights = dict(random_model.network.state_dict())
    weights["head.final_layer.bias"] = torch.zeros(17)
    path = tmp_path / "mine.pth"
    torch.save(weights, path)
    with pytest.raises(CheckpointError, match=r"size mismatch for head\.final_layer\.bias"):
        load(find_model("demo", str(path)))


def test_models_of_other_keypoints_are_refused(tmp_path: Path) -> None:
    config = demo_pose_config()
    config.model.head.out_channels = 17
    path = tmp_path / "body.py"
    path.write_text("\n".join(f"{key} = {value!r}" for key, value in config.to_dict().items()))
    with pytest.raises(UsageError, match=r"body\.py finds 17 keypoints; expected the 133"):
        load(find_model(str(path), "random"))


def test_what_mmpose_cannot_build_is_told_in_a_sentence(tmp_path: Path) -> None:
    config = demo_pose_config()
    config.model.backbone.type = "NoSuchNetwork"
    path = tmp_path / "mine.py"
    path.write_text("\n".join(f"{key} = {value!r}" for key, value in config.to_dict().items()))
    with pytest.raises(UsageError, match=r"cannot build the model of .*mine\.py.*NoSuchNetwork"):
        load(find_model(str(path), "random"))


def test_a_loaded_model_is_what_its_files_say(tmp_path: Path) -> None:
    source = find_model("demo")
    config = read_config(source, flip_test=False)
    assert load(source).provenance == describe_model(source, config)


def test_other_kinds_of_models_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "detector.py"
    path.write_text("model = dict(type='FasterRCNN')\n")
    with pytest.raises(UsageError, match="not the config of a top-down pose estimator"):
        load(find_model(str(path), "random"))


def test_configs_of_mmpose_are_named_without_their_place() -> None:
    provenance = load(find_model("rtmpose-m", "random")).provenance
    assert provenance.config.startswith("configs/wholebody_2d_keypoint/rtmpose/")
