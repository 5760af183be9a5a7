"""The rows of a query video are made as those of the stores were that the model learned from."""

from dataclasses import replace

import pytest

from extract.run.streams import known_provenance
from extract.settings import ExtractSettings
from reference.small_indexes import made_up_identity
from reference.small_stores import POSE, RGB
from search.index.stage_one import UnrepeatableExtractionError, stage_one_of
from seds_core.store.provenance import ImportedFrom, Provenance
from train.settings import KeypointSettings

SETTINGS = [
    {},
    {"frames": {"max_frames": None, "folder_fps": 30.0}},
    {"rgb": {"clip_length": 32, "max_clips": 9, "store_dtype": "float16"}},
    {"rgb": {"clips": "all", "backbone": "s3d"}},
    {"pose": {"flip_test": True, "person_threshold": 0.5}},
]


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"weights of a network")
    return path


def extraction(weights, changes):
    settings = {"rgb": {}, "pose": {}} | changes
    settings["rgb"] = {"weights": str(weights)} | settings["rgb"]
    settings["pose"] = {"model": "demo"} | settings["pose"]
    return ExtractSettings.model_validate(settings)


def store(provenance, **others):
    return {"path": "there.zarr", **provenance.to_attributes(), **others}


def trained_on(stage="fusion", **stores):
    return replace(made_up_identity(), stage=stage, trained_on=stores)


@pytest.mark.parametrize("changes", SETTINGS)
def test_rows_made_again_differ_in_nothing(weights, changes):
    asked = extraction(weights, changes)
    stores = {kind: store(known_provenance(kind, asked)) for kind in ("rgb", "pose")}
    found = stage_one_of(trained_on(**stores))
    for kind, settings in (("rgb", found.rgb[0]), ("pose", found.pose)):
        again = known_provenance(kind, settings)
        assert again.differences(Provenance.from_attributes(stores[kind])) == []
    assert found.mix == (1.0,)
    assert not found.clips_need_pose


def test_rows_made_otherwise_would_differ(weights):
    asked = extraction(weights, {})
    found = stage_one_of(trained_on(rgb=store(known_provenance("rgb", asked))))
    other = known_provenance("rgb", extraction(weights, {"rgb": {"max_clips": 9}}))
    (difference,) = other.differences(known_provenance("rgb", found.rgb[0]))
    assert "max_clips" in difference


def test_clips_over_frames_with_hands_ask_for_keypoints_first(weights):
    asked = extraction(weights, {"rgb": {"frames": "hands", "hand_rules": "csl-daily"}})
    all_frames = extraction(weights, {})
    rgb = known_provenance("rgb", all_frames)
    made = replace(
        rgb,
        rgb=replace(rgb.rgb, frames="hands", hand_rules="csl-daily"),
        weights=replace(rgb.weights, pose_store_sha256="1" * 64),
    )
    pose = store(known_provenance("pose", asked))
    found = stage_one_of(trained_on(rgb=store(made), pose=pose))
    assert found.clips_need_pose
    assert (found.rgb[0].rgb.frames, found.rgb[0].rgb.hand_rules) == ("hands", "csl-daily")
    with pytest.raises(UnrepeatableExtractionError, match="--stage rgb"):
        stage_one_of(trained_on("rgb", rgb=store(made)))


def test_mixed_features_are_made_by_each_network(weights):
    stores = [
        store(known_provenance("rgb", extraction(weights, {"rgb": {"backbone": name}})), mix=mix)
        for name, mix in (("i3d", 0.8), ("s3d", 0.2))
    ]
    found = stage_one_of(trained_on("rgb", rgb_1=stores[0], rgb_2=stores[1]))
    assert [settings.rgb.backbone for settings in found.rgb] == ["i3d", "s3d"]
    assert (found.mix, found.pose) == ((0.8, 0.2), None)


def test_a_pose_index_needs_no_features_but_keeps_the_clips_of_its_store(weights):
    asked = extraction(weights, {"frames": {"max_frames": 64}})
    stores = {kind: store(known_provenance(kind, asked)) for kind in ("rgb", "pose")}
    identity = trained_on("pose", **stores)
    found = stage_one_of(identity)
    assert found.rgb == ()
    slots, length = identity.layout.num_slots, identity.layout.clip_length
    expected = {"max_frames": 64, "max_clips": slots, "clip_length": length}
    assert found.keypoints == KeypointSettings(**expected)
    alone = stage_one_of(trained_on("pose", pose=stores["pose"])).keypoints
    assert alone == KeypointSettings(max_frames=64)


def test_imported_rows_cannot_be_made_of_a_query():
    imported = replace(RGB, imported_from=ImportedFrom(format="npy"))
    with pytest.raises(UnrepeatableExtractionError, match=r"imported \(npy\)"):
        stage_one_of(trained_on(rgb=store(imported), pose=store(POSE)))


def test_boxes_of_a_table_are_not_there_for_a_query(weights, tmp_path):
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("video_id,frame,left,top,right,bottom\n")
    asked = extraction(weights, {"pose": {"person_box": "csv", "person_box_file": str(boxes)}})
    with pytest.raises(UnrepeatableExtractionError, match=r"boxes\.csv"):
        stage_one_of(trained_on("pose", pose=store(known_provenance("pose", asked))))
