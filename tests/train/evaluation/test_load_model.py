"""A run or a published checkpoint as a model with its data, and stores that do not fit it."""

from pathlib import Path

import pytest
import torch

from seds_core.errors import UsageError
from seds_core.store.provenance import ClipRules, Provenance, TimelineRules, WeightsRecord
from train.evaluation.load_model import (
    OtherStoresError,
    load_published_model,
    load_run_model,
    refuse_other_stores,
    settings_digest,
)

CPU = torch.device("cpu")


def test_a_run_brings_its_settings_and_data(make_run, tmp_path, small_data):
    path = make_run("run", seed=7, stage="fusion") / "best.pt"
    loaded = load_run_model(path, CPU)
    saved = torch.load(path, weights_only=True)["model"]
    assert all(torch.equal(v, saved[name]) for name, v in loaded.model.state_dict().items())
    assert loaded.data.index == small_data["index"]
    facts = loaded.facts
    assert (facts["stage"], facts["seed"], facts["position"]["epoch"]) == ("fusion", 7, 3)
    assert facts["best_validation_score"] == 12.5
    assert facts["settings_digest"] == settings_digest(loaded.settings)


def test_a_run_made_before_evaluation_had_a_precision_is_evaluated(make_run, tmp_path, capsys):
    path = make_run("run", stage="fusion") / "best.pt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["settings"]["optimisation"]["precision"] = "bfloat16"
    del checkpoint["settings"]["evaluation"]["precision"]
    del checkpoint["settings"]["arithmetic"]
    torch.save(checkpoint, path)
    loaded = load_run_model(path, CPU)
    assert loaded.settings.evaluation.precision == "float32"
    told = capsys.readouterr().err
    assert "bfloat16" in told
    assert "TF32" not in told


def test_a_store_made_otherwise_is_refused(make_run, tmp_path):
    from dataclasses import replace

    from reference.small_stores import LENGTHS, POSE, pose_video, write_store

    other = replace(POSE, weights=replace(POSE.weights, sha256="1" * 64))
    store = write_store(
        tmp_path / "other.zarr", other, [pose_video(v, n) for v, n in LENGTHS.items()]
    )
    with pytest.raises(OtherStoresError, match=r"other.zarr .*weights.sha256: 1+ / 0+"):
        load_run_model(make_run("run", stage="fusion") / "best.pt", CPU, pose=store)


def test_a_store_of_other_videos_is_taken(make_run, tmp_path):
    from reference.small_stores import POSE, pose_video, write_store

    store = write_store(tmp_path / "fewer.zarr", POSE, [pose_video("a", 30)])
    loaded = load_run_model(make_run("run", stage="fusion") / "best.pt", CPU, pose=store)
    assert [video.video_id for video in loaded.data.videos] == ["a"]


def test_weights_without_settings_take_a_pipelines(make_run, tmp_path, tiny_settings, small_data):
    run = torch.load(make_run("run", stage="fusion") / "best.pt", weights_only=True)
    torch.save(run["model"], tmp_path / "weights.bin")
    loaded = load_published_model(tmp_path / "weights.bin", tiny_settings, CPU, **small_data)
    assert all(torch.equal(v, run["model"][n]) for n, v in loaded.model.state_dict().items())


def test_weights_of_a_part_are_refused(make_run, tmp_path, tiny_settings, small_data):
    model = torch.load(make_run("run", stage="fusion") / "best.pt", weights_only=True)["model"]
    part = {name: value for name, value in model.items() if not name.startswith("fusion")}
    torch.save(part, tmp_path / "weights.bin")
    with pytest.raises(UsageError, match=r"lacks \d+ tensors of the model, such as fusion"):
        load_published_model(tmp_path / "weights.bin", tiny_settings, CPU, **small_data)


def test_a_missing_index_is_named(tmp_path, tiny_settings):
    with pytest.raises(UsageError, match="--index FILE"):
        load_published_model(tmp_path / "any.bin", tiny_settings, CPU)


def test_the_digest_leaves_out_where_data_lies(tiny_settings):
    moved = tiny_settings.model_copy(
        update={"data": tiny_settings.data.model_copy(update={"index": "elsewhere", "workers": 9})}
    )
    other = tiny_settings.model_copy(update={"embedding_dim": 8})
    digests = {settings_digest(settings) for settings in (tiny_settings, moved)}
    assert len(digests) == 1
    assert settings_digest(other) not in digests


def test_saved_settings_that_cannot_be_are_named(make_run, tmp_path):
    path = make_run("run", stage="fusion") / "best.pt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["settings"]["optimisation"]["beta1"] = 1.0
    torch.save(checkpoint, path)
    with pytest.raises(UsageError, match=r"best.pt.*\n.*optimisation.beta1"):
        load_run_model(path, CPU)


RUN = Path("run/best.pt")


def stores(max_frames=300, path="rgb.zarr", source="a file"):
    made = Provenance(
        kind="rgb",
        timeline=TimelineRules(max_frames=max_frames),
        rgb=ClipRules(clip_length=16, clips="planned", max_clips=64),
        weights=WeightsRecord(name="kinetics400", source=source, sha256="ab", is_random=False),
        feature_dim=1024,
    )
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
