import pytest
import torch

from train.model.normalisation import Dropout, random_mask


@pytest.mark.parametrize("share", [0.05, 0.5, 0.75, 0.999])
def test_a_mask_is_true_as_often_as_asked(share):
    torch.manual_seed(0)
    mask = random_mask(torch.Size([1001, 333]), share)
    deviation = (share * (1 - share) / mask.numel()) ** 0.5
    assert mask.float().mean().item() == pytest.approx(share, abs=4 * deviation)
    # Neither rows nor neighbours, of which two come from one draw, know of each other.
    flat = mask.flatten()
    for distance in (1, 2, 333):
        both = (flat[distance:] & flat[:-distance]).float().mean().item()
        assert both == pytest.approx(share**2, abs=4 * deviation)


def test_what_is_kept_is_scaled_and_so_is_its_gradient():
    torch.manual_seed(0)
    values = torch.rand(50, 7).add_(1).requires_grad_()
    found = Dropout(0.25)(values)
    kept = found != 0
    assert 0 < kept.float().mean() < 1
    torch.testing.assert_close(found, torch.where(kept, values / 0.75, 0.0))
    (found * 3).sum().backward()
    torch.testing.assert_close(values.grad, kept * 3 / 0.75)


def test_a_generator_state_decides():
    values, dropout = torch.ones(31), Dropout(0.5)
    torch.manual_seed(1)
    first, state, second = dropout(values), torch.get_rng_state(), dropout(values)
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(dropout(values), second)


@pytest.mark.parametrize("dropout", [Dropout(0.5).eval(), Dropout(0.0)], ids=["evaluation", "none"])
def test_nothing_is_dropped(dropout):
    values = torch.rand(9)
    assert torch.equal(dropout(values), values)


def test_half_precision_stays():
    assert Dropout(0.5)(torch.ones(4, dtype=torch.bfloat16)).dtype == torch.bfloat16
