"""Backbones are found by name, and answer a wrong one with the right one."""

from pathlib import Path

import pytest
import torch
from torchvision.models.video import s3d

from extract.rgb.backbones import load_backbone
from extract.rgb.frame_preparation import PUBLISHED
from extract.weights_cache import WeightsUnavailable
from seds_core.errors import UsageError


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEDS_CACHE", str(tmp_path))
    return tmp_path


def test_a_misspelt_backbone_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no backbone 'i3'. Did you mean 'i3d'\?"):
        load_backbone("i3", "random")


def test_misspelt_weights_are_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no weights 'bsl5'.*Did you mean 'bsl5k'\?"):
        load_backbone("i3d", "bsl5")


@pytest.mark.parametrize(("name", "clip_length"), [("i3d", 9), ("s3d", 14)])
def test_the_shortest_clips_give_features(name: str, clip_length: int) -> None:
    backbone = load_backbone(name, "random", clip_length=clip_length)
    with torch.inference_mode():
        features = backbone.features(torch.rand(1, 3, clip_length, 224, 224))
    assert features.shape == (1, backbone.feature_dim)
    assert features.std() > 0


def test_random_weights_are_marked_and_frozen() -> None:
    backbone = load_backbone("i3d", "random")
    assert backbone.weights.is_random
    assert backbone.weights.name == "random"
    assert not any(parameter.requires_grad for parameter in backbone.network.parameters())
    assert not backbone.network.training
    assert backbone.fit == PUBLISHED.fit


def test_a_file_decides_the_number_of_classes(tmp_path: Path) -> None:
    path = tmp_path / "own.pth"
    torch.save(s3d(num_classes=7).state_dict(), path)
    backbone = load_backbone("s3d", str(path))
    assert backbone.class_names == ()
    assert backbone.weights.source == str(path)
    assert backbone.network.class_logits(torch.rand(1, 1024)).shape == (1, 7)


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsUnavailable, match="does not fit InceptionI3D: missing"):
        load_backbone("i3d", str(tmp_path / "other.pth"))


@pytest.mark.parametrize(
    ("name", "weights", "file_name", "problem"),
    [
        ("i3d", "bsl5k", "bsl5k.pth.tar", "has 5 bytes instead of 142,594,302"),
        ("s3d", "kinetics400", "s3d-d76dad2f.pth", r"instead of d76dad2f\.\.\."),
        ("mvit_v2_s", "kinetics400", "mvit_v2_s-ae3be167.pth", r"instead of ae3be167\.\.\."),
    ],
)
def test_a_file_that_is_not_the_published_one_is_refused(
    empty_cache: Path, name: str, weights: str, file_name: str, problem: str
) -> None:
    (empty_cache / file_name).write_bytes(b"wrong")
    with pytest.raises(WeightsUnavailable, match=problem):
        load_backbone(name, weights)
