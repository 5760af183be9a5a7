import copy

import pytest
import torch
from torch import nn

from train.model.normalisation import weighted_batch_norm


@pytest.mark.parametrize("training", [True, False])
def test_rows_count_as_often_as_they_are_said_to(training):
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(3, eps=0.1, momentum=0.3).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm(torch.randn(9, 3, dtype=torch.float64))
    norm.train(training)
    counts = torch.tensor([2, 0, 1, 5, 1])
    values = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(5, 3, dtype=torch.float64)

    plain = copy.deepcopy(norm)
    repeated = plain(values.repeat_interleave(counts, dim=0))
    expected = torch.autograd.grad(
        (repeated * (direction / counts[:, None]).repeat_interleave(counts, dim=0)).sum(),
        [values, *plain.parameters()],
    )
    direction[counts == 0] = 0  # a row that counts nowhere has no gradient to compare
    found = weighted_batch_norm(norm, values, counts)
    torch.testing.assert_close(found.repeat_interleave(counts, dim=0), repeated)
    gradients = torch.autograd.grad((found * direction).sum(), [values, *norm.parameters()])
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(norm.state_dict(), plain.state_dict())


def test_half_precision_values_are_normalised_in_the_norms_precision():
    norm, values = nn.BatchNorm1d(3), torch.randn(6, 3).bfloat16()
    found = weighted_batch_norm(norm, values, torch.ones(6, dtype=torch.int64))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, nn.BatchNorm1d(3)(values.float()))
