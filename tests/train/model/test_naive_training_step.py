"""Our training step is the published one: the same loss, gradients and new weights."""

import copy

import pytest
import torch
from training_stand_in import in_float64

from reference.random_videos import random_videos
from reference.training_step import naive_loss, naive_step
from train.batches import ClipLayout
from train.model.retrieval_model import RetrievalModel
from train.optimisation.optimiser import build_optimiser
from train.precision import loss_scaler
from train.processes import Processes
from train.settings import LossSettings, SimilaritySettings, TrainSettings
from train.text.text_encoder import build_text_encoder
from train.training.gradients import GradientPass
from train.training.step import TrainingStep

ALONE = Processes(0, 1, torch.device("cpu"))
LAYOUT = ClipLayout(num_slots=12, clip_length=16, rgb_dim=10)
SETTINGS = TrainSettings.model_validate(
    {
        "embedding_dim": 32,
        "text": {"weights": "random", "width": 64, "layers": 2},
        "pose_encoder": {"width": 16, "dropout": 0.0, "head_dropout": 0.0},
        "streams": {"width": 128, "layers": 2, "initial": "random"},
        "cgaf": {"heads": 4, "hidden": 48, "dropout": 0.0},
        "optimisation": {"warm_up": 0.0},
    }
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    text = build_text_encoder(SETTINGS.text, SETTINGS.embedding_dim, with_weights=False)
    return RetrievalModel(SETTINGS, "fusion", LAYOUT, text).double().train()


@pytest.fixture
def batch():
    return in_float64(random_videos(LAYOUT, [16, 20, 24, 41], max_words=9))


def our_step(model):
    gradient_pass = GradientPass(model, ALONE, SimilaritySettings(), LossSettings())
    optimiser = build_optimiser(model, SETTINGS.optimisation)
    scaler = loss_scaler(ALONE.device, "float32")
    return TrainingStep(gradient_pass, optimiser, scaler, SETTINGS.optimisation, total_steps=100)


def test_loss_gradients_and_statistics(model, batch):
    plain = copy.deepcopy(model)
    loss = naive_loss(plain, batch)
    loss.backward()
    ours = our_step(model)
    assert ours.gradient_pass(batch, ours.scaler).total.item() == pytest.approx(loss.item(), 1e-12)
    for (name, parameter), other in zip(model.named_parameters(), plain.parameters(), strict=True):
        # A bias before a batch norm has a gradient of rounding errors.
        difference = (parameter.grad - other.grad).norm()
        assert difference <= 1e-9 * other.grad.norm() + 1e-12, name
    for (name, ours), theirs in zip(model.named_buffers(), plain.named_buffers(), strict=True):
        torch.testing.assert_close(ours, theirs[1], rtol=1e-9, atol=1e-9, msg=name)


def test_the_optimiser(model, batch):
    ours = our_step(model)
    ours(batch, 5)
    plain = copy.deepcopy(ours)
    for _ in range(2):
        loss = naive_step(plain.gradient_pass.model, plain.optimiser, batch)
        assert ours(batch, 5).loss == pytest.approx(loss, 1e-9)
    pairs = zip(model.parameters(), plain.gradient_pass.model.parameters(), strict=True)
    for parameter, other in pairs:
        torch.testing.assert_close(parameter, other, rtol=1e-6, atol=1e-7)
