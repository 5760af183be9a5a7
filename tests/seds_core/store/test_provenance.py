"""What made a store is recorded as ever, and two records tell how they differ."""

import ast
import json
import re
from dataclasses import replace

import pytest
from shared_data import REPOSITORY

from reference.stores_made_before import STORES
from seds_core.store.provenance import LATER_KEYS, Provenance, TimelineRules, WeightsRecord

POSE = Provenance(
    kind="pose",
    timeline=TimelineRules(max_frames=300),
    pose={"model": "a/model.py", "checkpoint": "a.pth"},
    weights=WeightsRecord(
        name="a", config="a/model.py", source="a.pth", sha256="1", is_random=False,
        config_sha256="2",
    ),
    device="cpu",
    decoding=2,
)  # fmt: skip
ELSEWHERE = replace(
    POSE,
    pose={"model": "b/model.py", "checkpoint": "b.pth"},
    weights=replace(POSE.weights, name="b", config="b/model.py", source="b.pth"),
)
OLD = replace(POSE, weights=replace(POSE.weights, config_sha256=None), device="", decoding=0)
RECORDED = json.loads((STORES / "provenances.json").read_text())
"""Attributes, digests and identities that an earlier version gave stores of every kind."""


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["name"])
def test_every_kind_of_store_is_recorded_as_before(recorded):
    provenance = Provenance.from_attributes(recorded["attributes"])
    assert provenance.to_attributes() == recorded["attributes"]
    assert provenance.digest() == recorded["digest"]
    assert provenance.rows_identity == recorded["identity"]
    backwards = Provenance.from_attributes(dict(reversed(recorded["attributes"].items())))
    assert backwards.digest() == recorded["digest"]


def test_each_kind_of_store_differs_from_each_other():
    made = [Provenance.from_attributes(recorded["attributes"]) for recorded in RECORDED]
    for index, provenance in enumerate(made):
        fitting = [other for other in made if not provenance.differences(other)]
        assert fitting == [made[index]]


def test_what_a_later_version_records_is_kept_and_compared():
    attributes = POSE.to_attributes()
    attributes["settings"]["frames"]["shutter"] = 3
    attributes["settings"]["depth"] = {"network": "x"}
    later = Provenance.from_attributes(attributes)
    assert later.to_attributes() == attributes
    assert POSE.differences(later) == [
        "settings.depth.network: not set / x",
        "settings.frames.shutter: not set / 3",
    ]


@pytest.mark.parametrize("path", ["kind", "weights.sha256", "settings.frames.max_frames",
                                  "settings.rgb", "settings.rgb.clip_length"])  # fmt: skip
def test_what_is_missing_is_named(path):
    attributes = json.loads(json.dumps(RECORDED[0]["attributes"]))
    *groups, name = path.split(".")
    group = attributes
    for each in groups:
        group = group[each]
    del group[name]
    with pytest.raises(KeyError, match=rf"^'{path}'$"):
        Provenance.from_attributes(attributes)


def test_the_same_content_elsewhere_is_no_difference():
    assert POSE.differences(ELSEWHERE) == []
    assert POSE.digest() == ELSEWHERE.digest()


@pytest.mark.parametrize("name", ["sha256", "config_sha256"])
def test_other_content_is_a_difference(name):
    other = replace(POSE, weights=replace(POSE.weights, **{name: "3"}))
    assert [text.split(":")[0] for text in POSE.differences(other)] == [f"weights.{name}"]
    assert POSE.digest() != other.digest()
    assert not POSE.accepts(other.digest())


def test_what_an_older_store_does_not_know_is_no_difference():
    assert OLD.differences(POSE) == POSE.differences(OLD) == []
    assert OLD.recorded_by_one(POSE) == ["decoding", "device", "weights.config_sha256"]
    assert POSE.recorded_by_one(POSE) == []
    assert OLD.accepts_device_of(POSE)
    first = {name: value for name, value in OLD.to_attributes().items() if name not in LATER_KEYS}
    assert Provenance.from_attributes(first) == OLD


def test_without_the_configs_content_its_name_decides():
    assert [text.split(":")[0] for text in OLD.differences(ELSEWHERE)] == [
        "settings.pose.model",
        "weights.config",
    ]


def test_devices_mix_only_where_any_is_asked_for():
    gpu, mixed = replace(POSE, device="cuda"), replace(POSE, device="any")
    assert POSE.differences(gpu) == []
    assert not POSE.accepts_device_of(gpu)
    assert not POSE.accepts(gpu.digest())
    assert mixed.accepts_device_of(gpu)
    assert gpu.accepts_device_of(mixed)
    assert mixed.accepts(gpu.digest())
    assert mixed.accepts(mixed.digest())


@pytest.mark.parametrize(
    ("clips", "max_frames", "slots"),
    [("planned", None, 64), ("all", 40, 25), ("all", 9, 1), ("all", None, None)],
)
def test_clip_slots(clips, max_frames, slots):
    rgb = Provenance.from_attributes(RECORDED[0]["attributes"])
    rules = replace(rgb.clips, clips=clips)
    changed = replace(rgb, rgb=rules, timeline=TimelineRules(max_frames=max_frames))
    assert changed.clip_slots == slots


RECORDED_FORM = re.compile(
    r"provenance\b.*\.(recorded_settings|recorded\(\)|to_attributes\(\)|settings|weights|pose)"
    r"|attributes\['(settings|weights)'\]"
)


def reads_of_settings(source):
    """Lines that look into a provenance's settings or weights by a string key."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Subscript(value=group, slice=ast.Constant(value=str())):
                pass
            case ast.Call(func=ast.Attribute(value=group, attr="get" | "pop")):
                pass
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[group]):
                pass
            case _:
                continue
        if RECORDED_FORM.search(ast.unparse(group)):
            found.add(node.lineno)
    return sorted(found)


def test_only_one_file_reads_recorded_settings_by_key():
    packages = [REPOSITORY / name for name in ("seds_core", "extract", "train", "search")]
    paths = [path for package in packages for path in package.rglob("*.py")]
    found = {
        path.relative_to(REPOSITORY).as_posix()
        for path in paths
        if reads_of_settings(path.read_text())
    }
    assert found - {"seds_core/store/provenance.py"} == set()


@pytest.mark.parametrize(
    "line",
    [
        "step = store.provenance.recorded_settings['frames']['max_frames']",
        "if 'imported' in store.provenance.recorded_settings: pass",
        "rules = self.rgb.provenance.rgb.recorded().get('hand_rules')",
        "random = stream.provenance.to_attributes()['weights']",
        "length = attributes['settings']['rgb']",
    ],
)
def test_a_reading_by_key_is_found(line):
    assert reads_of_settings(f"import json\n{line}\n") == [2]
