"""A training of a few steps: it validates, keeps its best, and goes on where it stopped."""

import os

import pytest
import torch

from extract.demo import pose_training
from extract.demo.pose_training import keep_best, train

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
