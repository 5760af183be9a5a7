"""One batch's gradients are the same for any micro-batches and any number of processes."""

import copy
from dataclasses import replace

import process_group_gradients
import pytest
import torch
from process_group import run_in_two_processes
from training_stand_in import (
    StandInModel,
    in_float64,
    random_batch,
    small_model,
    without_batch_statistics,
)

from train.batches import TextBatch
from train.model.matching_losses import retrieval_losses
from train.precision import loss_scaler
from train.processes import Processes
from train.settings import LossSettings, SimilaritySettings, TargetSettings
from train.training.gradients import GradientPass, micro_batches

ALONE = Processes(0, 1, torch.device("cpu"))
SETTINGS = (SimilaritySettings(), LossSettings())
UNSCALED = loss_scaler(ALONE.device, "float32")


def model_with(dropout=0.0, *, training_norms=False):
    torch.manual_seed(0)
    model = StandInModel(dropout)
    return model if training_norms else without_batch_statistics(model)


def run(model, batch, micro_batch=None, **options):
    gradient_pass = GradientPass(model, ALONE, *SETTINGS, micro_batch=micro_batch, **options)
    losses = gradient_pass(batch, UNSCALED)
    return losses, {name: p.grad.clone() for name, p in model.named_parameters()}


def plain(model, batch, targets=None):
    """Loss and gradients by one backward pass through everything."""
    losses = retrieval_losses(
        model.encode_signs(batch.signs),
        model.encode_text(batch.text),
        model.encode_text(batch.augmented),
        model.scale,
        *SETTINGS,
        torch.eye(len(batch.text.input_ids)) if targets is None else targets,
    )
    losses.total.backward()
    return losses, {name: p.grad.clone() for name, p in model.named_parameters()}


def assert_same(one, other, tolerance=1e-5):
    (losses, gradients), (other_losses, other_gradients) = one, other
    difference = (losses.total - other_losses.total.detach()).abs()
    assert difference <= tolerance * other_losses.total.detach()
    assert losses.parts.keys() == other_losses.parts.keys()
    for name, gradient in gradients.items():
        expected = other_gradients[name]
        difference = (gradient - expected).norm() / (expected.norm() + 1e-12)
        assert difference < tolerance, name


@pytest.fixture(params=[StandInModel, small_model])
def model(request):
    """In float64: what is left of a difference is no rounding."""
    torch.manual_seed(0)
    return without_batch_statistics(request.param()).double()


def test_tokens_as_leaves_change_nothing(model):
    batch = in_float64(random_batch(16))
    assert_same(run(copy.deepcopy(model), batch), plain(model, batch), 1e-10)


@pytest.mark.parametrize("size", [2, 5])
def test_micro_batches_have_the_gradients_of_the_whole_batch(model, size):
    batch = in_float64(random_batch(16))
    assert_same(run(copy.deepcopy(model), batch, size), plain(model, batch), 1e-10)


@pytest.mark.parametrize("size", [None, 3])
def test_recomputed_values_change_nothing(size):
    """Gradient checkpointing: the same gradients, and statistics that move once."""
    torch.manual_seed(0)
    kept, batch = small_model(), random_batch(6)
    recomputed = copy.deepcopy(kept)
    recomputed.use_gradient_checkpointing()
    assert_same(run(recomputed, batch, size), run(kept, batch, size))
    for name, buffer in kept.named_buffers():
        assert torch.equal(buffer, recomputed.get_buffer(name)), name


@pytest.mark.parametrize("size", [None, 2])
def test_rows_of_one_sentence_are_found_by_all_of_their_words(size):
    batch = random_batch(6)
    words, is_real = batch.text.input_ids.clone(), batch.text.word_is_real.clone()
    words[3], is_real[3] = words[0], is_real[0]
    words[5, 0] = words[0, 0]  # begins alike
    batch = replace(batch, text=TextBatch(words, is_real))
    expected = torch.eye(6)
    expected[0, 3] = expected[3, 0] = expected[0, 0] = expected[3, 3] = 0.5
    model, targets = model_with(), TargetSettings(positives="same_sentence")
    losses, _ = run(copy.deepcopy(model), batch, size, targets=targets)
    torch.testing.assert_close(losses.total, plain(model, batch, expected)[0].total.detach())


def test_the_second_encoding_has_the_dropout_of_the_first():
    """The gradients are those of the function whose value the loss is: found by differences."""
    model, batch = model_with(dropout=0.5), random_batch(6)

    def loss_at(shift):
        moved = copy.deepcopy(model)
        with torch.no_grad():
            moved.pose_encoder[0].weight[0, 0] += shift
        torch.manual_seed(3)
        losses, gradients = run(moved.double(), in_float64(batch), 2)
        return losses.total.item(), gradients["pose_encoder.0.weight"][0, 0].item()

    slope = (loss_at(1e-4)[0] - loss_at(-1e-4)[0]) / 2e-4
    assert loss_at(0.0)[1] == pytest.approx(slope, rel=1e-4)


def test_random_numbers_go_on_as_if_all_were_encoded_once():
    model, batch = model_with(dropout=0.5), random_batch(6)
    torch.manual_seed(3)
    run(model, batch, 2)
    after = torch.get_rng_state()
    torch.manual_seed(3)
    for piece in micro_batches(batch, 2):
        model.encode_signs(piece.signs)
    assert torch.equal(after, torch.get_rng_state())


def test_running_statistics_move_once_a_step():
    batch = random_batch(6)
    whole, parts, single = (model_with(training_norms=True) for _ in range(3))
    run(whole, batch)
    run(parts, batch, 3)
    norms = [model.pose_encoder[1] for model in (whole, parts)]
    # The mean of equally large parts is the mean of the whole.
    torch.testing.assert_close(norms[1].running_mean, norms[0].running_mean)
    assert norms[1].momentum == norms[0].momentum == 0.1
    assert not torch.equal(norms[0].running_mean, single.pose_encoder[1].running_mean)


def test_half_precision_is_close_and_losses_are_float32():
    model, batch = model_with(), random_batch(8)
    losses, gradients = run(copy.deepcopy(model), batch, precision="bfloat16")
    expected, _ = run(model, batch)
    assert losses.total.dtype == torch.float32
    assert losses.total.item() != expected.total.item()
    torch.testing.assert_close(losses.total, expected.total, rtol=0.05, atol=0.05)
    assert {gradient.dtype for gradient in gradients.values()} == {torch.float32}


def test_a_frozen_text_encoder_gets_no_gradients():
    model = model_with()
    model.text.requires_grad_(False)
    GradientPass(model, ALONE, *SETTINGS, micro_batch=2)(random_batch(4), UNSCALED)
    assert all(p.grad is None for p in model.text.parameters())
    assert model.fusion.weight.grad is not None


# In float64, so that nothing but rounding of 1e-16 may differ; a gradient that is small by
# cancellation has a rounding error of up to 1e-4 of itself in float32.
@pytest.mark.parametrize(
    ("kind", "micro_batch"), [(StandInModel, None), (StandInModel, 3), (small_model, None)]
)
def test_two_processes_are_as_one(tmp_path, kind, micro_batch):
    torch.manual_seed(0)
    model = without_batch_statistics(kind()).double()
    batch = in_float64(random_batch(16))
    case = {"model": model, "batch": batch, "micro_batch": micro_batch}
    torch.save(case, tmp_path / "case.pt")
    run_in_two_processes(process_group_gradients.__file__, tmp_path, tmp_path / "case.pt")

    alone = Processes(0, 1, torch.device("cpu"))
    gradient_pass = GradientPass(model, alone, SimilaritySettings(), LossSettings())
    losses = gradient_pass(batch, loss_scaler(alone.device, "float32"))
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found["loss"], losses.total, rtol=1e-10, atol=0)
        for name, parameter in model.named_parameters():
            gradient = found["gradients"][name]
            difference = (gradient - parameter.grad).norm() / (parameter.grad.norm() + 1e-12)
            assert difference < 1e-10, name
