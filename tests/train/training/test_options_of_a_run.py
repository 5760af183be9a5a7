"""Options reach the run: what its steps and validations then do, and that it resumes with them."""

import signal
from dataclasses import dataclass

import pytest
import torch
from run_comparison import assert_equal, assert_same_run
from small_training import PIPELINES, change_settings, small_request
from torch.utils import checkpoint as torch_checkpoint

from train.checkpoints.run_checkpoint import read_checkpoint
from train.checkpoints.run_folder import RunFolder
from train.training.run import train
from train.training.step import TrainingStep

SHORT = ("epochs: 4, batch_size: 2", "epochs: 2, batch_size: 3")
"""Two epochs of two steps of three videos."""

OPTIONS = {
    "micro-batches": [
        ("epochs: 2", "epochs: 2, micro_batch: 2"),
        ("batch_size: 4", "batch_size: 4, precision: bfloat16"),  # of evaluation alone
    ],
    "half precision": [("epochs: 2", "epochs: 2, precision: bfloat16")],
    "everything": [
        ("workers: 0", "workers: 1"),
        (
            "epochs: 2",
            "epochs: 2, micro_batch: 2, precision: float16, gradient_checkpointing: true",
        ),
    ],
}


@dataclass
class Seen:
    """What the encoder of videos was asked, call by call."""

    training: list
    evaluation: list
    num_checkpoints: int = 0


@pytest.fixture
def seen(monkeypatch):
    from train.model.retrieval_model import RetrievalModel

    noted, encode = Seen([], []), RetrievalModel.encode_signs
    infer = torch_checkpoint._infer_device_type

    def encode_signs(self, signs):
        calls = noted.evaluation if torch.is_inference_mode_enabled() else noted.training
        device = self.logit_scale.device.type
        is_half = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if is_half else torch.float32
        calls.append((signs.num_videos, dtype))
        return encode(self, signs)

    def infer_device_type(*args):
        noted.num_checkpoints += torch.is_grad_enabled()
        return infer(*args)

    monkeypatch.setattr(RetrievalModel, "encode_signs", encode_signs)
    monkeypatch.setattr(torch_checkpoint, "_infer_device_type", infer_device_type)
    return noted


@pytest.fixture(scope="module")
def short_folder(tmp_path_factory):
    from small_training import prepare_folder

    return prepare_folder(tmp_path_factory.mktemp("options"))


ON_A_GPU = ("evaluation:", "arithmetic: {deterministic: true}\n      evaluation:")

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
        ],
    ),
]


def set_options(folder, name, device):
    (folder / "pipelines.yaml").write_text(PIPELINES)
    if device == "cuda":
        change_settings(folder, *ON_A_GPU)
    for old, new in (SHORT, *OPTIONS[name]):
        change_settings(folder, old, new)


def interrupted_at(step, monkeypatch):
    """Ctrl-C within a step."""
    take_step = TrainingStep.__call__

    def interrupted(self, batch, number):
        if number == step:
            signal.raise_signal(signal.SIGINT)
        return take_step(self, batch, number)

    monkeypatch.setattr(TrainingStep, "__call__", interrupted)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("name", "training", "evaluation", "num_checkpoints"),
    [
        ("micro-batches", [(2, torch.float32), (1, torch.float32)] * 2, torch.bfloat16, 0),
        ("half precision", [(3, torch.bfloat16)], torch.float32, 0),
        # In each micro-batch the pose encoder, a block of each stream and one of the text encoder.
        ("everything", [(2, torch.float16), (1, torch.float16)] * 2, torch.float32, 2 * 4),
    ],
)
def test_a_run_does_what_its_options_say_and_resumes(
    short_folder, seen, monkeypatch, device, name, training, evaluation, num_checkpoints
):
    set_options(short_folder, name, device)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    whole, resumed = (
        short_folder / "runs" / f"{name} {device}{part}" for part in (" whole", " resumed")
    )
    assert train(**small_request(short_folder, whole.name, device=device)) == 0
    assert not torch.backends.cudnn.allow_tf32
    assert seen.training == training * 4
    assert {dtype for _, dtype in seen.evaluation} == {evaluation}
    assert seen.num_checkpoints == num_checkpoints * 4

    with monkeypatch.context() as patch:
        interrupted_at(2, patch)
        assert train(**small_request(short_folder, resumed.name, device=device)) == 130
    assert train(**small_request(short_folder, resumed.name, device=device, resume=True)) == 0
    assert_same_run(whole, resumed)
    scalers = [read_checkpoint(RunFolder(run).last).scaler for run in (whole, resumed)]
    assert_equal(*scalers)
    assert bool(scalers[0]) == (training[0][1] == torch.float16)
