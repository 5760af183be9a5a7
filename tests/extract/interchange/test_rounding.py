"""What float32 cannot hold is counted."""

import numpy as np
import pytest

from extract.interchange.imported import as_float32


@pytest.mark.parametrize("dtype", [np.float32, ">f4", np.float16, np.int16, np.uint8])
def test_what_fits_stays_as_it_is(dtype):
    values = np.array([[0, 1, 100]], dtype)
    rounded, num_changed = as_float32(values)
    assert (rounded.dtype, num_changed) == (np.float32, 0)
    np.testing.assert_array_equal(rounded, values)


def test_changes_are_counted_and_not_a_number_is_none():
    values = np.array([0.5, 0.1, np.nan, np.inf, 1e300])
    rounded, num_changed = as_float32(values)
    assert num_changed == 2
    np.testing.assert_array_equal(rounded, np.array([0.5, 0.1, np.nan, np.inf, np.inf], np.float32))
    assert as_float32(np.array([2**24 + 1]))[1] == 1


def test_float32_is_not_copied():
    values = np.ones(3, np.float32)
    assert as_float32(values)[0] is values
