from pathlib import Path

import pytest

from seds_core.store.layout import Provenance
from train.evaluation.load_model import OtherStoresError, refuse_other_stores

RUN = Path("run/best.pt")


def stores(max_frames=300, path="rgb.zarr", source="a file"):
    weights = {"name": "kinetics400", "source": source, "sha256": "ab", "is_random": False}
    made = Provenance("rgb", {"frames": {"max_frames": max_frames}}, weights, 1024)
    return {"rgb": {"path": path, **made.to_attributes()}}


def test_a_store_made_in_the_same_way_is_taken():
    refuse_other_stores(stores(), stores(path="test.zarr", source="elsewhere"), RUN)


def test_another_setting_is_named():
    expected = r"rgb store rgb.zarr .* run/best.pt .*settings.frames.max_frames: 200 / 300"
    with pytest.raises(OtherStoresError, match=expected):
        refuse_other_stores(stores(), stores(max_frames=200), RUN)


def test_other_kinds_of_stores_are_named():
    pose = {"pose": stores()["rgb"] | {"kind": "pose"}}
    with pytest.raises(OtherStoresError, match=r"kind rgb; .* found rgb and pose"):
        refuse_other_stores(stores(), stores() | pose, RUN)


def mixed(*weights):
    return {
        f"rgb_{number}": stores()["rgb"] | {"mix": weight}
        for number, weight in enumerate(weights, start=1)
    }


def test_mixed_stores_are_compared_one_by_one():
    refuse_other_stores(mixed(0.8, 0.2), mixed(0.8, 0.2), RUN)
    with pytest.raises(OtherStoresError, match=r"rgb_1 store .*mix: 0\.9 / 0\.8"):
        refuse_other_stores(mixed(0.8, 0.2), mixed(0.9, 0.1), RUN)
    with pytest.raises(OtherStoresError, match=r"kind rgb_1 and rgb_2; .* found rgb\b"):
        refuse_other_stores(mixed(0.8, 0.2), stores(), RUN)
