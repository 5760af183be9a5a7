"""One RGB store or a mix of several."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reference.small_stores import CLIPS, HANDS_RGB, RGB, hands_rgb_video, rgb_video, write_store
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader
from train.batches import ClipLayout
from train.data.rgb_stores import MixError, check_mix, open_rgb, rgb_choice
from train.data.sign_reader import SignReader, StoreRows, mixed_features
from train.settings import DataSettings, KeypointSettings, MixedStore

A, B = Path("a.zarr"), Path("b.zarr")


def test_one_store_or_none_needs_no_weight():
    assert rgb_choice([], []) is None
    assert rgb_choice([A], []) == A


def test_several_stores_have_their_weights():
    expected = (MixedStore(store=A, mix=0.8), MixedStore(store=B, mix=0.2))
    assert rgb_choice([A, B], [0.8, 0.2]) == expected
    assert rgb_choice([A], [1.0]) == (MixedStore(store=A, mix=1.0),)


@pytest.mark.parametrize(
    ("rgb", "mix", "message"),
    [
        ([A, B], [], "names 2 stores and --mix gives 0 weights"),
        ([A, B], [1.0], "names 2 stores and --mix gives 1 weights"),
        ([], [0.5], "names 0 stores and --mix gives 1 weights"),
        ([A, B], [0.8, 0.3], r"sum to 1, found 0\.8, 0\.3: together 1\.1"),
        ([A, B], [1.5, -0.5], r"weights from 0 to 1, found 1\.5, -0\.5"),
        ([A], [0.5], r"sum to 1, found 0\.5"),
    ],
)
def test_what_is_no_mix_is_told(rgb, mix, message):
    with pytest.raises(MixError, match=message):
        rgb_choice(rgb, mix)


def test_weights_may_be_rounded():
    check_mix([MixedStore(store=A, mix=1 / 3)] * 3)
    with pytest.raises(MixError):
        check_mix([MixedStore(store=A, mix=0.5), MixedStore(store=B, mix=0.49999)])
    with pytest.raises(MixError, match="found none"):
        check_mix([])


def test_a_choice_is_what_settings_hold():
    for stores in ([str(A), str(B)], ["s3://bucket/a.zarr", "s3://bucket/b.zarr"]):
        data = DataSettings.model_validate({"rgb": rgb_choice(stores, [0.8, 0.2])})
        assert DataSettings.model_validate(data.model_dump(mode="json")) == data
        assert data.rgb == rgb_choice(stores, [0.8, 0.2])


OTHER = replace(RGB, weights=replace(RGB.weights, sha256="1" * 64, name="other"))


def mix(*stores, weights=(0.8, 0.2)):
    return tuple(MixedStore(store=s, mix=w) for s, w in zip(stores, weights, strict=True))


@pytest.fixture
def first(tmp_path):
    return write_store(tmp_path / "one.zarr", RGB, [rgb_video(v, 30) for v in "abc"])


@pytest.fixture
def second(tmp_path):
    moved = rgb_video("c", 30)
    moved.rows["first_frame"][-1] += 1
    videos = [rgb_video("b", 30), moved, rgb_video("d", 30)]
    return write_store(tmp_path / "two.zarr", OTHER, videos)


def test_one_store_is_read_as_ever(first):
    stores = open_rgb(first)
    assert [store.place.path for store in stores.stores] == [first]
    assert stores.video_ids == {"a", "b", "c"}
    assert stores.warnings == ()
    assert stores.provenance == {"rgb": {"path": str(first), **RGB.to_attributes()}}


def test_a_mix_has_the_videos_with_equal_clips(first, second):
    stores = open_rgb(mix(first, second))
    assert stores.video_ids == {"b"}
    assert set(stores.warnings) == {
        "2 videos are in some of the mixed stores only and are left out",
        "1 videos have other clips in the mixed stores and are left out",
    }
    assert [store.place.path for store in stores.stores] == [first, second]
    assert stores.mix == (0.8, 0.2)


def test_a_mix_remembers_all_stores_and_weights(first, second):
    found = open_rgb(mix(first, second)).provenance
    assert [(name, made["path"], made["mix"]) for name, made in found.items()] == [
        ("rgb_1", str(first), 0.8),
        ("rgb_2", str(second), 0.2),
    ]
    assert found["rgb_2"]["weights"] == OTHER.weights.recorded()


def test_a_mix_of_one_is_that_store(first):
    stores, plain = open_rgb(mix(first, weights=(1.0,))), open_rgb(first)
    assert stores == replace(plain, stores=stores.stores)
    assert stores.provenance == plain.provenance


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"clip_length": 12}, r"rgb\.clip_length: 16 / 12"),
        ({"max_clips": 7}, r"rgb\.max_clips: 6 / 7"),
        ({"frames": "hands", "hand_rules": "custom"}, r"rgb\.frames: all / hands"),
    ],
)
def test_stores_of_other_clips_are_refused(first, tmp_path, changes, told):
    other = replace(OTHER, rgb=replace(CLIPS, **changes))
    second = write_store(tmp_path / "two.zarr", other, [])
    with pytest.raises(StoreMismatchError, match=rf"one\.zarr and .*two\.zarr.*{told}"):
        open_rgb(mix(first, second))


def test_features_of_other_sizes_are_refused(first, tmp_path):
    second = write_store(tmp_path / "two.zarr", replace(OTHER, feature_dim=9), [])
    with pytest.raises(StoreMismatchError, match="feature_dim: 8 / 9"):
        open_rgb(mix(first, second))


def test_other_weights_than_of_one_whole_are_refused(first, second):
    with pytest.raises(MixError, match=r"0\.8, 0\.3"):
        open_rgb(mix(first, second, weights=(0.8, 0.3)))


def test_clips_of_kept_frames_are_compared_too(tmp_path):
    paths = [
        write_store(tmp_path / f"{n}.zarr", HANDS_RGB, [hands_rgb_video("a", 95, resting)])
        for n, resting in enumerate([(0,), (0,), (3,)])
    ]
    assert open_rgb(mix(*paths[:2])).video_ids == {"a"}
    assert open_rgb(mix(paths[0], paths[2])).video_ids == frozenset()


def test_the_mix_is_the_slow_sum():
    generator = np.random.default_rng(0)
    features = [generator.normal(size=(5, 8)).astype(np.float32) for _ in range(3)]
    mixed = mixed_features(features, (0.7, 0.2, 0.1))
    assert mixed.dtype == np.float32
    for clip in range(5):
        for column in range(8):
            total = 0.0
            for weight, part in zip((0.7, 0.2, 0.1), features, strict=True):
                total += weight * float(part[clip, column])
            assert mixed[clip, column] == pytest.approx(total, rel=1e-5, abs=1e-6)


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
    first, second, rows = stores
    reader = SignReader(rows, None, ClipLayout(6, 16, 8), KeypointSettings(), mix=(0.8, 0.2))
    video = reader.locate("a")
    mixed = pickle.loads(pickle.dumps(reader)).read(video).rgb
    expected = np.float32(0.8) * first.rows["features"]
    expected = expected + np.float32(0.2) * second.rows["features"].astype(np.float32)
    np.testing.assert_array_equal(mixed, expected)
