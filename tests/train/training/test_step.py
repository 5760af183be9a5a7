import math

import pytest
import torch
from training_stand_in import StandInModel, random_batch

from train.optimisation.optimiser import build_optimiser
from train.precision import loss_scaler
from train.processes import Processes
from train.settings import LearningRates, LossSettings, OptimisationSettings, SimilaritySettings
from train.training import step as module
from train.training.gradients import GradientPass
from train.training.step import LARGEST_LOGIT_SCALE, DivergedError, TrainingStep

ALONE = Processes(0, 1, torch.device("cpu"))
RATES = LearningRates(text=1e-2, streams=1e-2, pose_encoder=1e-2, fusion=1e-2)


def training_step(total_steps=100, **changes):
    torch.manual_seed(0)
    settings = OptimisationSettings(learning_rates=RATES, warm_up=0.0, **changes)
    model = StandInModel()
    precision = settings.precision
    gradient_pass = GradientPass(model, ALONE, SimilaritySettings(), LossSettings(), precision)
    scaler = loss_scaler(ALONE.device, precision)
    return TrainingStep(
        gradient_pass, build_optimiser(model, settings), scaler, settings, total_steps
    )


def state(step):
    return {k: v.clone() for k, v in step.gradient_pass.model.state_dict().items()}


def broken_batch():
    batch = random_batch(4)
    batch.signs.pose.right[0] = math.nan
    return batch


@pytest.mark.parametrize("optimiser", ["published", "adamw"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_same_batch_again_and_again_is_learned(optimiser, precision):
    step, batch = training_step(optimiser=optimiser, precision=precision), random_batch(8)
    reports = [step(batch, number) for number in range(30)]
    taken = [report for report in reports if not report.is_skipped]
    assert len(taken) > 15
    assert taken[-1].loss < 0.8 * taken[0].loss
    assert {p.dtype for p in step.gradient_pass.model.parameters()} == {torch.float32}


def test_a_report_says_what_the_step_did():
    step = training_step(total_steps=2)
    report = step(random_batch(4), 1)
    weighted = {"fusion": 1.0, "pose": 1.0, "rgb": 1.0, "pose_rgb_matching": 0.4}
    assert report.loss == pytest.approx(sum(weighted[n] * v for n, v in report.parts.items()))
    assert report.rates == pytest.approx(dict.fromkeys(report.rates, 0.5e-2))  # half of the cosine
    assert report.scale == step.gradient_pass.model.scale.item()


def test_all_gradients_together_are_limited():
    step = training_step(optimiser="adamw", clip_norm=0.01)
    report = step(random_batch(4), 0)
    gradients = [p.grad.flatten() for p in step.gradient_pass.model.parameters()]
    assert report.gradient_norm > 0.01
    assert torch.cat(gradients).norm().item() == pytest.approx(0.01, rel=1e-3)


def test_what_is_not_finite_leaves_the_model_as_it_was():
    step = training_step()
    step(random_batch(4), 0)
    before = state(step)
    report = step(broken_batch(), 1)
    assert report.is_skipped
    assert not math.isfinite(report.loss)
    for name, value in state(step).items():
        assert torch.equal(value, before[name]), name
    assert not step(random_batch(4), 2).is_skipped


def overflow(step):
    """Makes the next gradients infinite, of a batch that is finite."""
    step.gradient_pass.model.fusion.weight.register_hook(lambda gradient: gradient * math.inf)


def test_a_float16_step_that_overflows_lowers_the_scale_of_the_loss():
    step = training_step(precision="float16")
    before = step.scaler.get_scale()
    overflow(step)
    report = step(random_batch(4), 0)
    assert report.is_skipped
    assert report.unusable_rows == ()
    assert step.scaler.get_scale() == before / 2


def test_videos_that_are_not_finite_are_found_and_do_not_lower_the_scale_of_the_loss():
    step, batch = training_step(precision="float16"), random_batch(4)
    batch.signs.rgb[1, 0, 0] = math.inf
    batch.signs.pose.left[3, 2] = math.nan
    before = step.scaler.get_scale()
    report = step(batch, 0)
    assert report.is_skipped
    assert report.unusable_rows == (1, 3)
    assert step.scaler.get_scale() == before


def test_a_run_that_has_diverged_ends(monkeypatch):
    monkeypatch.setattr(module, "MOST_SKIPPED_IN_A_ROW", 2)
    step = training_step()
    for _ in range(2):
        step(broken_batch(), 0)
    step(random_batch(4), 0)  # the count begins anew
    for _ in range(2):
        step(broken_batch(), 0)
    with pytest.raises(DivergedError, match=r"3 steps in a row up to step 7 .*not finite: extract"):
        step(broken_batch(), 7)
    overflow(step)
    with pytest.raises(DivergedError, match=r"4 steps in a row up to step 8 .*lower"):
        step(random_batch(4), 8)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_gradients_are_limited_in_their_own_units(precision):
    """What the loss was scaled by is taken out before."""
    step = training_step(optimiser="adamw", clip_norm=0.01, precision=precision)
    step.scaler = torch.amp.GradScaler("cpu", init_scale=256.0, enabled=precision == "float16")
    expected = training_step(optimiser="adamw")(random_batch(4), 0).gradient_norm
    assert step(random_batch(4), 0).gradient_norm == pytest.approx(expected, rel=0.05)
    gradients = [p.grad.flatten() for p in step.gradient_pass.model.parameters()]
    assert torch.cat(gradients).norm().item() == pytest.approx(0.01, rel=1e-3)


def test_the_scale_of_scores_stays_below_100_and_can_come_back():
    step = training_step()
    logit_scale = step.gradient_pass.model.logit_scale
    with torch.no_grad():
        logit_scale.fill_(5.0)
    step(random_batch(4), 0)
    assert logit_scale.item() == pytest.approx(LARGEST_LOGIT_SCALE)
    step(random_batch(4), 1)
    assert logit_scale.grad.abs() > 0
    assert step.gradient_pass.model.scale < 100
