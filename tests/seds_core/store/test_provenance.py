from dataclasses import replace

import pytest

from seds_core.store.layout import LATER_KEYS, Provenance

POSE = Provenance(
    kind="pose",
    settings={
        "frames": {"max_frames": 300},
        "pose": {"model": "a/model.py", "checkpoint": "a.pth"},
    },
    weights={"config": "a/model.py", "sha256": "1", "config_sha256": "2", "source": "a.pth"},
    device="cpu",
    decoding=2,
)
ELSEWHERE = replace(
    POSE,
    settings={
        "frames": {"max_frames": 300},
        "pose": {"model": "b/model.py", "checkpoint": "b.pth"},
    },
    weights=POSE.weights | {"config": "b/model.py", "source": "b.pth"},
)
OLD = replace(
    POSE,
    weights={name: POSE.weights[name] for name in ("config", "sha256", "source")},
    device="",
    decoding=0,
)


def test_the_same_content_elsewhere_is_no_difference():
    assert POSE.differences(ELSEWHERE) == []
    assert POSE.digest() == ELSEWHERE.digest()


@pytest.mark.parametrize("name", ["sha256", "config_sha256"])
def test_other_content_is_a_difference(name):
    other = replace(POSE, weights=POSE.weights | {name: "3"})
    assert [text.split(":")[0] for text in POSE.differences(other)] == [f"weights.{name}"]
    assert POSE.digest() != other.digest()
    assert not POSE.accepts(other.digest())


def test_what_an_older_store_does_not_know_is_no_difference():
    assert OLD.differences(POSE) == POSE.differences(OLD) == []
    assert OLD.recorded_by_one(POSE) == ["decoding", "device", "weights.config_sha256"]
    assert POSE.recorded_by_one(POSE) == []
    assert OLD.accepts_device_of(POSE)


def test_without_the_configs_content_its_name_decides():
    assert [text.split(":")[0] for text in OLD.differences(ELSEWHERE)] == [
        "settings.pose.model",
        "weights.config",
    ]


def test_attributes_lead_back_even_when_they_lack_what_came_later():
    assert Provenance.from_attributes(POSE.to_attributes()) == POSE
    first = {name: value for name, value in OLD.to_attributes().items() if name not in LATER_KEYS}
    assert Provenance.from_attributes(first) == OLD


def test_the_digest_is_the_same_in_every_version_of_the_program():
    attributes = replace(POSE, settings={"z": 1, "a": {"b": 0.1}}).to_attributes()
    backwards = Provenance.from_attributes(dict(reversed(attributes.items())))
    assert backwards.digest() == Provenance.from_attributes(attributes).digest()
    assert Provenance("rgb", {}, {}).digest() == (
        "000595c2f73510f686fd3e85cc0fff3ff5579bc1cb81abb974baf76671124be2"
    )


def test_devices_mix_only_where_any_is_asked_for():
    gpu, mixed = replace(POSE, device="cuda"), replace(POSE, device="any")
    assert POSE.differences(gpu) == []
    assert not POSE.accepts_device_of(gpu)
    assert not POSE.accepts(gpu.digest())
    assert mixed.accepts_device_of(gpu)
    assert gpu.accepts_device_of(mixed)
    assert mixed.accepts(gpu.digest())
    assert mixed.accepts(mixed.digest())
