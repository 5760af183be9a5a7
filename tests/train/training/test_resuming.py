"""Runs that are killed, stopped and resumed end as if nothing had happened, to the last bit."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass

import pytest
import small_training
import torch
from process_group import REPOSITORY
from run_comparison import assert_equal, assert_same_run, losses, metric_lines, wait_for_step
from small_training import PIPELINES, change_settings, small_request
from torch.utils import checkpoint as torch_checkpoint

from train.checkpoints.run_checkpoint import read_checkpoint
from train.checkpoints.run_folder import RunFolder
from train.training.run import train
from train.training.step import TrainingStep


def start(folder, name, *options):
    paths = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests")))
    return subprocess.Popen(
        [sys.executable, small_training.__file__, str(folder), name, *options],
        env=os.environ | {"PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        text=True,
    )


def position(run_dir):
    return read_checkpoint(RunFolder(run_dir).last).position


def interrupted_at(step, monkeypatch):
    """Ctrl-C within a step."""
    take_step = TrainingStep.__call__

    def interrupted(self, batch, number):
        if number == step:
            signal.raise_signal(signal.SIGINT)
        return take_step(self, batch, number)

    monkeypatch.setattr(TrainingStep, "__call__", interrupted)


@pytest.mark.parametrize(
    ("options", "expected"),
    [([], {"epoch": 1, "step_in_epoch": 0, "step": 3}), (["--save-every-step"], None)],
    ids=["saved after epochs", "saved after steps"],
)
def test_a_killed_run_goes_on_as_if_it_had_not_been(whole_run, options, expected):
    name = f"killed{len(options)}"
    run_dir = whole_run / "runs" / name
    with start(whole_run, name, "--slowly", *options) as running:
        wait_for_step(run_dir, 5)  # the second of three steps of the second epoch
        running.kill()
    assert running.returncode == -signal.SIGKILL
    found = position(run_dir)
    assert found["step_in_epoch"] > 0 if expected is None else found == expected
    assert train(**small_request(whole_run, name, resume=True)) == 0
    assert_same_run(run_dir, whole_run / "runs" / "whole")


def test_sigterm_saves_and_ends_with_143(whole_run):
    run_dir = whole_run / "runs" / "ended"
    with start(whole_run, "ended", "--slowly") as running:
        wait_for_step(run_dir, 4)
        running.terminate()
        messages = running.communicate(timeout=60)[1]
    assert running.returncode == 143
    assert "with --resume goes on from" in messages
    assert "Traceback" not in messages
    assert position(run_dir)["step"] == len(losses(run_dir)) >= 4
    assert train(**small_request(whole_run, "ended", resume=True)) == 0
    assert_same_run(run_dir, whole_run / "runs" / "whole")


@pytest.mark.parametrize("step", [1, 3])
def test_ctrl_c_ends_with_130_wherever_it_comes(whole_run, monkeypatch, step):
    """Also after the last step of an epoch: the validation is then done by who resumes."""
    name = f"interrupted{step}"
    with monkeypatch.context() as patch:
        interrupted_at(step - 1, patch)
        assert train(**small_request(whole_run, name)) == 130
    run_dir = whole_run / "runs" / name
    assert position(run_dir) == {"epoch": 0, "step_in_epoch": step, "step": step}
    assert metric_lines(run_dir, "validation") == []
    assert train(**small_request(whole_run, name, resume=True)) == 0
    assert_same_run(run_dir, whole_run / "runs" / "whole")


def test_a_finished_run_has_nothing_left_to_do(whole_run):
    before = losses(whole_run / "runs" / "whole")
    assert train(**small_request(whole_run, "whole", resume=True)) == 0
    assert losses(whole_run / "runs" / "whole") == before


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
