import pickle
from dataclasses import replace

import numpy as np
import pytest
from small_stores import RGB, rgb_video, write_store

from seds_core.store.reader import StoreReader
from train.data.store_rows import MixedRows, StoreRows, locate, mixed_features


def test_the_mix_is_the_slow_sum():
    generator = np.random.default_rng(0)
    features = [generator.normal(size=(5, 8)).astype(np.float32) for _ in range(3)]
    mixed = mixed_features(features, (0.7, 0.2, 0.1))
    assert mixed.dtype == np.float32
    for clip in range(5):
        for place in range(8):
            total = 0.0
            for weight, part in zip((0.7, 0.2, 0.1), features, strict=True):
                total += weight * float(part[clip, place])
            assert mixed[clip, place] == pytest.approx(total, rel=1e-5, abs=1e-6)


def test_all_of_one_store_is_that_store():
    features = np.array([[-0.0, 1e-42, 3.14, -7e30]], np.float32)
    assert mixed_features([features], (1.0,)).tobytes() == features.tobytes()


def test_half_precision_is_mixed_in_float32():
    features = [np.array([[2049.0]], np.float32), np.array([[1.0]], np.float16)]
    assert mixed_features(features, (0.5, 0.5)).tolist() == [[1025.0]]


@pytest.fixture
def stores(tmp_path):
    half = replace(RGB, feature_dtype="float16")
    first, second = rgb_video("a", 30), rgb_video("a", 30)
    second.rows["features"] = second.rows["features"][::-1].astype(np.float16)
    paths = [
        write_store(tmp_path / "one.zarr", RGB, [first]),
        write_store(tmp_path / "two.zarr", half, [second]),
    ]
    return first, second, tuple(StoreRows.of(StoreReader(path)) for path in paths)


def test_only_features_are_mixed_also_in_another_process(stores):
    first, second, parts = stores
    mixed = pickle.loads(pickle.dumps(MixedRows(parts, (0.8, 0.2))))
    video = locate("a", parts)
    expected = np.float32(0.8) * first.rows["features"]
    expected = expected + np.float32(0.2) * second.rows["features"].astype(np.float32)
    np.testing.assert_array_equal(mixed.read(video, "features"), expected)
    np.testing.assert_array_equal(mixed.read(video, "first_frame"), first.rows["first_frame"])
    assert mixed.entry(video) == parts[0].entry(video)
