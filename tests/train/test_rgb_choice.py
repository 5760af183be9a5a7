from pathlib import Path

import pytest

from train.data.rgb_stores import MixError, check_mix, rgb_choice
from train.settings import DataSettings, MixedStore

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
    data = DataSettings.model_validate({"rgb": rgb_choice([A, B], [0.8, 0.2])})
    assert DataSettings.model_validate(data.model_dump(mode="json")) == data
    assert data.rgb == rgb_choice([A, B], [0.8, 0.2])
