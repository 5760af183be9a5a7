"""Names of models: each leads to a config that exists and to published weights."""

from pathlib import Path

import pytest

from extract.pose.provenance import (
    ALIASES,
    find_model,
    local_checkpoint,
    model_weights,
    published_models,
)
from extract.weights_cache import WeightsUnavailable, sha256_prefix_in_name
from seds_core.errors import UsageError


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
