from dataclasses import replace

import numpy as np
import pytest
from small_stores import POSE, pose_video, write_store

from extract.inspection.verify import largest_difference, verify_store
from seds_core.errors import UsageError
from seds_core.store.provenance import ImportedFrom


def test_equal_rows_do_not_differ():
    rows = {"a": np.array([1.0, np.nan, -4.0]), "b": np.array([True, False])}
    assert largest_difference(rows, rows) == 0.0


def test_a_difference_is_relative_to_the_largest_value():
    stored = {"a": np.array([1.0, -4.0])}
    assert largest_difference(stored, {"a": np.array([1.2, -4.0])}) == np.float64(1.2 - 1.0) / 4


def test_other_shapes_and_other_gaps_are_infinitely_different():
    stored = {"a": np.array([1.0, np.nan])}
    assert largest_difference(stored, {"a": np.array([1.0])}) == np.inf
    assert largest_difference(stored, {"a": np.array([1.0, 2.0])}) == np.inf


def test_an_imported_store_has_nothing_to_extract_again(tmp_path):
    imported = replace(POSE, imported_from=ImportedFrom(format="pose"))
    path = write_store(tmp_path / "pose.zarr", imported, [pose_video("a", 20)])
    assert not verify_store(path, sample=0, device="cpu").problems
    with pytest.raises(UsageError, match="was imported"):
        verify_store(path, sample=1, device="cpu")
