from dataclasses import replace

import numpy as np
import pytest
from small_stores import CLIPS, HANDS_RGB, RGB, hands_rgb_video, rgb_video, write_store

from seds_core.store.provenance import StoreMismatchError
from train.data.rgb_stores import MixError, open_rgb
from train.data.store_rows import MixedRows, StoreRows, locate
from train.settings import MixedStore

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
    assert isinstance(stores.rows("first_frame"), StoreRows)
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
    rows = stores.rows("first_frame")
    assert isinstance(rows, MixedRows)
    assert [part.path for part in rows.parts] == [first, second]
    assert rows.mix == (0.8, 0.2)


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
    one, other = (
        rows.read(locate("a", rows.stores), "features") for rows in (stores.rows(), plain.rows())
    )
    np.testing.assert_array_equal(one, other)


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
