"""Exported pickles are those of the publication, for any version of NumPy."""

import pickle
import pickletools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from published_folders import image_names, keypoints
from small_stores import POSE

from extract.interchange.export import (
    portable,
    published_features,
    published_keypoints,
    write_pickle,
)
from extract.interchange.keypoint_video import nobody_found
from seds_core.store.provenance import ImportedFrom
from seds_core.untrusted_pickles import parse_pickle

IMPORTED = replace(
    POSE,
    imported_from=ImportedFrom(format="test", frame_names="%06d.jpg", first_number=0),
)


def test_rows_of_our_own_store_are_all_written():
    points = np.concatenate([keypoints(2), nobody_found(1)])
    exported = published_keypoints(points, np.array([0, 2, 4], np.int32), POSE)
    assert exported["img_list"] == image_names([1, 3, 5])
    assert exported["keypoints"] is points


def test_frames_left_out_of_imported_files_are_left_out_again():
    points = nobody_found(6)
    points[[1, 3]] = keypoints(2)
    points[4, 7, 2] = -0.0  # somebody's zero: not a frame left out
    exported = published_keypoints(points, np.arange(6, dtype=np.int32), IMPORTED)
    assert exported["img_list"] == [f"{number:06d}.jpg" for number in (1, 3, 4, 5)]
    assert exported["keypoints"].tobytes() == points[[1, 3, 4, 5]].tobytes()


@pytest.mark.parametrize("value", [keypoints(1), keypoints(400), np.ones((2, 8), np.float16)])
def test_pickles_name_what_every_numpy_knows(value):
    content = portable(pickle.dumps({"a": value, "list": ["x"] * 3}, protocol=4))
    texts = [argument for _, argument, _ in pickletools.genops(content)]
    assert "numpy.core.multiarray" in texts
    assert "numpy._core.multiarray" not in texts
    for read in (pickle.loads, lambda content: parse_pickle(content, Path("x"))):
        found = read(content)
        assert found["list"] == ["x"] * 3
        assert found["a"].dtype == value.dtype
        np.testing.assert_array_equal(found["a"], value)


def test_a_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "a.pkl"
    write_pickle(path, published_features("a", np.ones((2, 8), np.float32)))
    assert [path.name for path in tmp_path.iterdir()] == ["a.pkl"]
    found = pickle.loads(path.read_bytes())
    assert found["name"] == "a"
    np.testing.assert_array_equal(found["feature"], np.ones((2, 8)))
