"""The demo's pose model: its recipe, its samples, a training of a few steps, and its light file."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from extract.demo import pose_training
from extract.demo.corpus import SyntheticCorpus, plan_corpus
from extract.demo.pose_training import (
    HELD_OUT_FIRST_SEED,
    TRAINING_FIRST_SEED,
    keep_best,
    plain,
    train,
    write_light_checkpoint,
)
from extract.pose.mmpose_model import import_mmpose, known_warnings_silenced
from extract.pose.provenance import find_model


def test_training_held_out_and_corpora_share_no_signer():
    """Two samples share a signer; the whole training uses few of the ten million seeds."""
    num_signers = (
        pose_training.BATCH_SIZE * pose_training.ITERATIONS_PER_EPOCH * pose_training.NUM_EPOCHS
    )
    assert TRAINING_FIRST_SEED + num_signers < HELD_OUT_FIRST_SEED
    largest = SyntheticCorpus(num_sentences=1, train_signers=900, test_signers=40, seed=9_999)
    assert max(video.signer_seed for video in plan_corpus(largest)) < TRAINING_FIRST_SEED


def test_the_learning_rate_falls_until_the_last_step():
    config = pose_training.training_config(Path("unused"))
    warm_up, cosine = config.param_scheduler
    steps = config.train_cfg.max_epochs * pose_training.ITERATIONS_PER_EPOCH
    assert warm_up["end"] < cosine["begin"] < cosine["end"] == steps
    assert cosine["begin"] + cosine["T_max"] == steps


def test_validation_keeps_the_signers_height():
    config = pose_training.training_config(Path("unused"))
    packing = config.val_dataloader.dataset.pipeline[-1]
    assert packing.type == "PackPoseInputs"
    assert "signer_height" in packing.meta_keys
    assert config.default_hooks.checkpoint.save_best == "error/all"


pytestmark = pytest.mark.mmpose

TINY = {
    "BATCH_SIZE": 2,
    "ITERATIONS_PER_EPOCH": 1,
    "NUM_EPOCHS": 1,
    "NUM_HELD_OUT_FRAMES": 2,
    "WARM_UP_ITERATIONS": 1,
    "NUM_TORCH_THREADS": 1,
    "NUM_RENDERING_PROCESSES": 0,
}


@pytest.fixture
def tiny(monkeypatch):
    for name, value in TINY.items():
        monkeypatch.setattr(pose_training, name, value)


@pytest.mark.usefixtures("tiny")
# The rest of MMEngine's warnings, about its own loading and about learning rates at step one.
@pytest.mark.filterwarnings("ignore")
def test_trains_resumes_and_keeps_the_best(tmp_path, monkeypatch):
    train(tmp_path)
    assert (tmp_path / "epoch_1.pth").is_file()
    monkeypatch.setattr(pose_training, "NUM_EPOCHS", 2)
    train(tmp_path)
    resumed = torch.load(tmp_path / "epoch_2.pth", weights_only=False)
    assert resumed["meta"]["iter"] == 2
    assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in os.environ
    best = keep_best(tmp_path, tmp_path / "light.pth")
    assert best.name.startswith("best_error_all")
    light = torch.load(tmp_path / "light.pth", weights_only=True)["state_dict"]
    whole = torch.load(best, weights_only=False)["state_dict"]
    assert light.keys() == whole.keys()


def test_without_a_validation_there_is_nothing_to_keep(tmp_path):
    with pytest.raises(FileNotFoundError, match="train until the first validation"):
        keep_best(tmp_path, tmp_path / "light.pth")


def test_the_command_calls_one_after_the_other(tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(pose_training, "train", lambda out: calls.append(("train", out)))
    monkeypatch.setattr(pose_training, "keep_best", lambda *paths: calls.append(("keep", *paths)))
    monkeypatch.setattr(
        pose_training, "held_out_errors", lambda _weights, _frames: {"hands": 1.234}
    )
    monkeypatch.setattr(sys, "argv", ["train", "--out", str(tmp_path)])
    pose_training.main()
    assert calls == [("train", tmp_path), ("keep", tmp_path, Path(find_model("demo").checkpoint))]
    assert capsys.readouterr().out == "hands: 1.23 % of the signer's height\n"


def test_the_folder_must_be_named(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train"])
    with pytest.raises(SystemExit):
        pose_training.main()


def test_kernels_are_rounded_and_statistics_kept(tmp_path):
    state = {
        "kernel": torch.full((2, 3), 1 / 3),
        "running_var": torch.tensor([1e-9, 1.0]),
        "num_batches_tracked": torch.tensor(7),
    }
    write_light_checkpoint(state, {"sigmas": np.array([0.5])}, tmp_path / "light.pth")
    content = torch.load(tmp_path / "light.pth", weights_only=True)
    stored = content["state_dict"]
    assert stored["kernel"].dtype == torch.float16
    torch.testing.assert_close(stored["kernel"].float(), state["kernel"], rtol=1e-3, atol=0)
    torch.testing.assert_close(stored["running_var"], state["running_var"], rtol=0, atol=0)
    assert stored["num_batches_tracked"] == 7
    assert content["meta"] == {"dataset_meta": {"sigmas": [0.5]}}
    assert [path.name for path in tmp_path.iterdir()] == ["light.pth"]


def test_plain_values_have_no_numpy_in_them():
    value = {1: (np.float32(2), {"a": np.zeros((1, 2))}), "names": {"x"}}
    assert plain(value) == {1: [2.0, {"a": [[0.0, 0.0]]}], "names": ["x"]}


@pytest.fixture(scope="module")
def dataset():
    import_mmpose()
    from mmengine.registry import init_default_scope
    from mmpose.registry import DATASETS

    import extract.demo.pose_dataset  # noqa: F401 - registers the data set

    init_default_scope("mmpose")
    config = pose_training.training_config(Path("unused"))
    with known_warnings_silenced():
        return DATASETS.build(config.train_dataloader.dataset)


def test_a_sample_is_what_the_model_trains_on(dataset):
    sample = dataset[3]
    assert sample["inputs"].shape == (3, 256, 192)
    labels = sample["data_samples"].gt_instance_labels
    assert labels.keypoint_x_labels.shape == (1, 133, 384)
    assert labels.keypoint_y_labels.shape == (1, 133, 512)
    weights = labels.keypoint_weights[0]
    assert weights[91:].max() > weights[23:91].max() > 0
    assert not weights[13:23].any()


def test_pictures_are_bgr_and_points_inside_them(dataset):
    raw = dataset.raw_sample(0)
    height, width = raw["img"].shape[:2]
    np.testing.assert_array_equal(raw["bbox"], [[0, 0, width, height]])
    shown = raw["keypoints_visible"][0] > 0
    points = raw["keypoints"][0][shown]
    assert np.all((points >= 0) & (points <= (width - 1, height - 1)))
    assert 0.5 * height < raw["signer_height"] <= height


def test_samples_follow_their_number(dataset):
    first, again, other = (dataset.raw_sample(number) for number in (8, 8, 12))
    np.testing.assert_array_equal(first["img"], again["img"])
    assert first["img"].shape != other["img"].shape or np.any(first["img"] != other["img"])


def test_every_epoch_has_new_signers(dataset):
    from extract.demo.pose_dataset import NewSignersEveryEpoch

    sampler = NewSignersEveryEpoch(dataset)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert len(first) == len(second) == len(sampler) == len(dataset)
    assert not set(first) & set(second)


def test_mmpose_builds_it_and_finds_133_points_in_a_picture():
    import_mmpose()
    from mmpose.apis import inference_topdown, init_model

    torch.set_num_threads(1)
    with known_warnings_silenced():
        model = init_model(str(find_model("demo").config), device="cpu")
        (result,) = inference_topdown(model, np.zeros((100, 80, 3), dtype=np.uint8))
    assert result.pred_instances.keypoints.shape == (1, 133, 2)
    assert model.dataset_meta["num_keypoints"] == 133
    assert sum(weight.numel() for weight in model.parameters()) < 6_000_000
