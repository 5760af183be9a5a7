"""Configs are told apart by what they say, with all that they inherit, and not by their path."""

import gc
import warnings
from pathlib import Path

import pytest

from extract.pose.provenance import (
    ALIASES,
    describe_pose_model,
    find_model,
    local_checkpoint,
    model_weights,
    pose_provenance,
    published_models,
    read_config,
)
from extract.settings import ExtractSettings
from extract.weights_cache import WeightsUnavailable, sha256_prefix_in_name
from seds_core.errors import UsageError
from seds_core.files import file_sha256
from seds_core.store.provenance import Provenance

WHOLE = find_model("demo").config.read_text()


def sha256(path: Path) -> str:
    return read_config(find_model(str(path), "random"), flip_test=False).sha256


def config(path: Path, text: str = WHOLE) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_the_same_content_elsewhere_is_the_same_model(tmp_path: Path) -> None:
    first = sha256(config(tmp_path / "a" / "mine.py"))
    assert sha256(config(tmp_path / "b" / "other.py")) == first
    assert sha256(config(tmp_path / "c.py", f"work_dir = 'x'\n{WHOLE}\n# a remark\n")) == first
    inherits = "_base_ = ['a/mine.py']\nlog_level = 'INFO'\n"
    assert sha256(config(tmp_path / "d.py", inherits)) == first


@pytest.mark.parametrize(
    "change",
    [
        "model['head']['simcc_split_ratio'] = 4.0",
        "model['test_cfg'] = dict(shift_coords=True)",
        "test_dataloader['dataset']['pipeline'][1]['padding'] = 1.25",
        "train_dataloader['dataset']['metainfo'] = dict(from_file='other.py')",
        "custom_imports = dict(imports=['colorsys'])",
        "default_scope = 'mine'",
    ],
)
def test_other_content_is_another_model(tmp_path: Path, change: str) -> None:
    before = sha256(config(tmp_path / "mine.py"))
    assert sha256(config(tmp_path / "mine.py", f"{WHOLE}\n{change}\n")) != before


def test_what_a_config_inherits_belongs_to_it(tmp_path: Path) -> None:
    path = config(tmp_path / "mine.py", "_base_ = ['base.py']\n")
    config(tmp_path / "base.py")
    before = sha256(path)
    config(tmp_path / "base.py", f"{WHOLE}\nmodel['head']['simcc_split_ratio'] = 4.0\n")
    assert sha256(path) != before


def test_the_keypoints_own_file_belongs_to_it(tmp_path: Path) -> None:
    described = config(tmp_path / "keypoints.py", "dataset_info = dict(sigmas=[1.0])")
    names = f"train_dataloader['dataset']['metainfo'] = dict(from_file={str(described)!r})"
    path = config(tmp_path / "mine.py", f"{WHOLE}\n{names}\n")
    before = sha256(path)
    described.write_text("dataset_info = dict(sigmas=[2.0])")
    assert sha256(path) != before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model = dict(\n", "cannot be read as an MMPose config"),
        ("model = never_set\n", "cannot be read as an MMPose config"),
        ("_base_ = ['nowhere.py']\n", "cannot be read as an MMPose config"),
        ("model = 5\n", "not the config of a top-down pose estimator"),
        ("model = dict(type='FasterRCNN')\n", "not the config of a top-down pose estimator"),
        ("model = dict(type='TopdownPoseEstimator')\n", "no backbone"),
        ("model = dict(type='TopdownPoseEstimator', backbone=dict(type='X'))\n", "no head"),
        (f"{WHOLE}\ntest_dataloader = None\n", "no test_dataloader.dataset.pipeline"),
    ],
)
def test_a_config_that_is_none_is_refused_by_name(tmp_path: Path, text: str, reason: str) -> None:
    path = config(tmp_path / "mine.py", text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # mmengine leaves a file open then
        with pytest.raises(UsageError, match=reason) as caught:
            sha256(path)
        assert str(path) in str(caught.value)
        del caught
        gc.collect()


def made_with(**pose: object) -> Provenance:
    settings = ExtractSettings.model_validate({"pose": {"checkpoint": "random", **pose}})
    return pose_provenance(settings, describe_pose_model(settings.pose), "cpu")


def test_a_store_goes_on_with_the_same_config_at_another_place(tmp_path: Path) -> None:
    store = made_with(model=str(config(tmp_path / "a" / "mine.py")))
    moved = config(tmp_path / "b" / "mine.py")
    assert store.differences(made_with(model=str(moved))) == []
    moved.write_text(f"{WHOLE}\nmodel['head']['simcc_split_ratio'] = 4.0\n")
    (difference,) = store.differences(made_with(model=str(moved)))
    assert difference.startswith("weights.config_sha256")


def test_the_demo_model_is_that_of_stores_made_before() -> None:
    """By the digest in stores made when functions built its config."""
    recorded = "3b0c10d6824d7d8119c270c3160fe688ee4bd5c2d903d3454098d6b4f01a1bcb"
    assert made_with(model="demo").weights.config_sha256 == recorded


def test_a_demo_model_is_the_same_wherever_the_program_lies() -> None:
    assert "settings.pose.model" not in made_with(model="demo").decided()
    assert made_with(model="demo").differences(made_with(model="rtmpose-m"))


def test_the_person_detectors_weights_and_the_boxes_are_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEDS_CACHE", str(tmp_path))
    weights = tmp_path / "ssdlite320_mobilenet_v3_large_coco-a79551df.pth"
    weights.write_bytes(b"w")
    monkeypatch.setattr("extract.weights_cache._verify", lambda *_: None)
    detector = {"person_detector": {"network": "ssdlite320_mobilenet_v3_large"}}
    made = made_with(model="demo", person_box="detector", **detector)
    assert made.weights.person_detector_sha256 == file_sha256(weights)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("video_id,frame,left,top,right,bottom\n")
    made = made_with(model="demo", person_box="csv", person_box_file=boxes)
    assert made.weights.person_box_file_sha256 == file_sha256(boxes)


@pytest.mark.parametrize("alias", ALIASES)
def test_every_alias_has_a_config_and_an_address(alias: str) -> None:
    source = find_model(alias)
    assert source.name == alias
    assert source.config.is_file()
    assert source.checkpoint.startswith("https://")
    assert source.checkpoint.endswith(".pth")
    assert ("384x288" in source.config.name) == alias.endswith("-384")


def test_published_checksums_are_found_in_the_names() -> None:
    for alias in ALIASES:
        name = find_model(alias).checkpoint.rpartition("/")[2]
        has_only_a_date = name.startswith("rtmw-dw")
        assert (sha256_prefix_in_name(name) is None) == has_only_a_date, name


def test_names_in_the_lists_of_mmpose_work_too() -> None:
    name = "td-hm_vipnas-res50_8xb64-210e_coco-wholebody-256x192"
    assert find_model(name).config.stem == name
    assert name in published_models()


def test_other_weights_replace_the_published_ones() -> None:
    assert find_model("rtmpose-m", "mine.pth").checkpoint == "mine.pth"
    assert find_model("rtmpose-m", "random").checkpoint == "random"


def test_the_demo_model_is_part_of_the_project() -> None:
    source = find_model("demo")
    assert source.config.is_file()
    assert source.checkpoint.endswith("demo_wholebody.pth")


def test_a_config_file_with_its_weights(tmp_path: Path) -> None:
    config = tmp_path / "mine.py"
    config.touch()
    source = find_model(str(config), "mine.pth")
    assert (source.name, source.config, source.checkpoint) == ("mine", config, "mine.pth")


def test_a_config_file_needs_weights(tmp_path: Path) -> None:
    config = tmp_path / "mine.py"
    config.touch()
    with pytest.raises(UsageError, match="needs a checkpoint"):
        find_model(str(config))


def test_a_missing_config_file_is_named() -> None:
    with pytest.raises(UsageError, match=r"no config file absent\.py"):
        find_model("absent.py", "mine.pth")


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"'rtmpose-1-384'\. Did you mean 'rtmpose-l-384'"):
        find_model("rtmpose-1-384")


def test_local_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEDS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "mine.pth"
    path.write_bytes(b"weights")
    assert local_checkpoint(str(path)) == path
    assert local_checkpoint(path.as_uri()) == tmp_path / "cache" / "mine.pth"
    with pytest.raises(UsageError, match="there is no checkpoint"):
        local_checkpoint(str(tmp_path / "absent.pth"))


def test_a_failed_download_names_the_way_without_one(tmp_path, monkeypatch):
    monkeypatch.setenv("SEDS_CACHE", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(WeightsUnavailable, match=r"--detector mediapipe") as caught:
        model_weights(find_model("rtmpose-m"))
    assert "Could not download" in str(caught.value)


def offline(*_: object, **__: object) -> None:
    raise OSError("no route to host")
