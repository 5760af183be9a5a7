"""What a run must do for several processes or a GPU, seen without either."""

from dataclasses import dataclass

import pytest
import torch
from small_training import small_settings
from torch import nn
from training_stand_in import StandInModel

from train.checkpoints.run_checkpoint import Position, read_checkpoint
from train.checkpoints.run_folder import RunFolder
from train.evaluation import scoring
from train.model.retrieval_model import RetrievalModel
from train.optimisation.optimiser import build_optimiser
from train.precision import loss_scaler
from train.processes import Processes
from train.settings import LossSettings, OptimisationSettings, SimilaritySettings
from train.training import preparation
from train.training import run as run_module
from train.training.checkpoint_keeper import CheckpointKeeper
from train.training.gradients import GradientPass
from train.training.preparation import prepare
from train.training.run import validation_scores
from train.training.step import TrainingStep

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@dataclass(frozen=True)
class OneOfTwo(Processes):
    """One of two processes, to which the other one's numbers are larger by 2."""

    def copy_from_first(self, tensors):
        pass

    def sum_in_place(self, tensors):
        for tensor in tensors:
            tensor += tensor + 2

    def gather_values(self, value):
        return [value, value]

    def value_of_first(self, value):
        return value


class Asked(Exception):  # noqa: N818 - ends a test where it has seen enough
    pass


def prepare_rgb(folder, processes):
    return prepare("rgb", small_settings(folder, pose=None), 0, processes)


def test_processes_have_one_model_and_dropout_of_their_own(small_folder):
    models, states = [], []
    for rank in (0, 1):
        run = prepare_rgb(small_folder, OneOfTwo(rank, 2, CPU))
        models.append(run.model.state_dict())
        states.append(torch.get_rng_state())
    assert all(torch.equal(value, models[1][name]) for name, value in models[0].items())
    assert not torch.equal(*states)


@pytest.fixture
def two():
    """A model whose running means are 0, and the first of two processes that train it."""
    torch.manual_seed(0)
    return StandInModel(), OneOfTwo(0, 2, CPU)


def test_running_statistics_are_averaged_before_they_are_saved(two, small_folder):
    model, processes = two
    run = prepare_rgb(small_folder, Processes(0, 1, CPU))
    settings = OptimisationSettings()
    gradient_pass = GradientPass(model, processes, SimilaritySettings(), LossSettings())
    step = TrainingStep(
        gradient_pass, build_optimiser(model, settings), loss_scaler(CPU, "float32"), settings, 9
    )
    folder = RunFolder(small_folder)
    CheckpointKeeper(folder, run.identity, step, processes).save(Position(), None)
    saved = read_checkpoint(folder.last).model["pose_encoder.1.running_mean"]
    assert saved.tolist() == [1.0] * len(saved)


def test_running_statistics_are_averaged_before_they_are_used(two, small_folder, monkeypatch):
    model, processes = two
    run = prepare_rgb(small_folder, Processes(0, 1, CPU))
    used = []

    def evaluate(model, *_, **__):
        used.append(model.pose_encoder[1].running_mean.clone())
        raise Asked

    monkeypatch.setattr(run_module, "evaluate_split", evaluate)
    with pytest.raises(Asked):
        validation_scores(model, run.data, run.tokenizer, run.settings, processes)
    assert used[0].tolist() == [1.0] * len(used[0])


@pytest.fixture
def _gpu_without_one(monkeypatch):
    monkeypatch.setattr(RetrievalModel, "to", lambda self, device: self)


@pytest.mark.usefixtures("_gpu_without_one")
@pytest.mark.parametrize(
    ("processes", "is_synchronised"),
    [(OneOfTwo(0, 2, GPU), True), (Processes(0, 1, GPU), False), (OneOfTwo(0, 2, CPU), False)],
)
def test_batch_statistics_are_those_of_all_processes_on_gpus(
    small_folder, processes, is_synchronised
):
    settings = small_settings(small_folder)
    layout = preparation.ClipLayout(5, 4, 6)
    model = preparation.build_model(settings, "fusion", layout, processes, with_weights=False)
    norms = [part for part in model.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    assert {isinstance(norm, nn.SyncBatchNorm) for norm in norms} == {is_synchronised}


@pytest.mark.usefixtures("_gpu_without_one")
@pytest.mark.parametrize("device", [CPU, GPU])
def test_batches_for_a_gpu_are_pinned(small_folder, monkeypatch, device):
    def asked(*_, pin_memory, **__):
        raise Asked(pin_memory)

    run = prepare_rgb(small_folder, Processes(0, 1, CPU))
    monkeypatch.setattr(preparation, "training_batches", asked)
    monkeypatch.setattr(scoring, "sign_batches", asked)
    with pytest.raises(Asked, match=str(device.type == "cuda")):
        prepare_rgb(small_folder, Processes(0, 1, device))
    with pytest.raises(Asked, match=str(device.type == "cuda")):
        scoring.evaluate_split(
            run.model, run.data, "dev", run.tokenizer, settings=run.settings, device=device
        )
