"""Backbones are found by name, and answer a wrong one with the right one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import get_model_weights
from torchvision.models.video import MViT, MViT_V2_S_Weights, S3D_Weights, s3d
from torchvision.models.video.mvit import MSBlockConfig

from extract.pose.provenance import DETECTOR_ADDRESSES
from extract.rgb.backbones import (
    ARCHITECTURES,
    PUBLISHED,
    MViTNetwork,
    S3DNetwork,
    find_architecture,
    load_backbone,
)
from extract.rgb.i3d_network import InceptionI3D, VideoNetwork, freeze
from extract.rgb.provenance import FILES, describe_weights
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
    assert backbone.weights.source == str(path)
    with torch.inference_mode():
        assert backbone.features(torch.rand(1, 3, 16, 224, 224)).shape == (1, 1024)


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(UsageError, match=r"other\.pth does not fit InceptionI3D: missing"):
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


def test_every_architecture_has_random_weights_and_a_name_of_its_own() -> None:
    for name in ARCHITECTURES:
        assert find_architecture(name).name == name
        assert find_architecture(name).weights["random"].read is None


@pytest.mark.parametrize(
    ("name", "clip_length", "limits"),
    [
        ("i3d", 8, "at least 9"),
        ("s3d", 13, "at least 14"),
        ("mvit_v2_s", 15, "exactly 16"),
        ("mvit_v2_s", 32, "exactly 16"),
    ],
)
def test_clips_that_a_network_cannot_read_are_refused(
    name: str, clip_length: int, limits: str
) -> None:
    message = f"clips of {name} have {limits} frames; clip_length is {clip_length}"
    with pytest.raises(UsageError, match=message):
        find_architecture(name).check_clip_length(clip_length)


@pytest.mark.parametrize(("name", "clip_length"), [("i3d", 9), ("i3d", 64), ("mvit_v2_s", 16)])
def test_other_clips_are_accepted(name: str, clip_length: int) -> None:
    find_architecture(name).check_clip_length(clip_length)


def small_mvit() -> nn.Module:
    """MViT v2 with two of its 16 blocks, for clips that a test has time for."""
    kernels = {"kernel_q": [3, 3, 3], "kernel_kv": [3, 3, 3]}
    strides = {"stride_q": [1, 1, 1], "stride_kv": [1, 8, 8]}
    blocks = [MSBlockConfig(1, 96, 96, **kernels, **strides)]
    blocks.append(MSBlockConfig(1, 96, 768, **kernels, **strides))
    return MViT(
        spatial_size=(64, 64),
        temporal_size=4,
        block_setting=blocks,
        residual_pool=True,
        residual_with_cls_embed=False,
        rel_pos_embed=True,
        proj_after_attn=True,
    )


@pytest.mark.parametrize(
    ("build", "wrap", "feature_dim", "clip_shape"),
    [
        (s3d, S3DNetwork, 1024, (14, 224, 224)),
        (small_mvit, MViTNetwork, 768, (4, 64, 64)),
    ],
)
def test_class_scores_are_those_of_torchvision(
    build: Callable[[], nn.Module],
    wrap: Callable[[nn.Module], VideoNetwork],
    feature_dim: int,
    clip_shape: tuple[int, int, int],
) -> None:
    torch.manual_seed(0)
    published = build().eval()
    clips = torch.randn(1, 3, *clip_shape)
    with torch.inference_mode():
        expected = published(clips)
        classifier = published.head if hasattr(published, "head") else published.classifier
        features = wrap(published).features(clips)
        # S3D's classifier is a convolution; being linear, it may come after the averaging.
        read = features if wrap is MViTNetwork else features[..., None, None, None]
        logits = classifier(read).flatten(1)
    assert features.shape == (1, feature_dim)
    assert expected.std() > 0
    torch.testing.assert_close(logits, expected)


def test_torchvisions_files_are_those_that_it_publishes() -> None:
    published = {"s3d": S3D_Weights, "mvit_v2_s": MViT_V2_S_Weights}
    for backbone, weights in published.items():
        (name,) = FILES[backbone]["kinetics400"].args
        assert weights.KINETICS400_V1.url == f"https://download.pytorch.org/models/{name}"
    for network, name in DETECTOR_ADDRESSES.items():
        url = get_model_weights(network).DEFAULT.url
        assert url == f"https://download.pytorch.org/models/{name}"


def test_every_architecture_names_its_files() -> None:
    for name, architecture in ARCHITECTURES.items():
        assert set(FILES[name]) == set(architecture.weights) - {"random"}


def test_weights_of_a_file_are_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"abc")
    described = describe_weights("i3d", str(path))
    assert described is not None
    assert described.sha256.startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize("weights", ["random", "no-such-file.pth"])
def test_what_no_file_tells_is_not_known(weights: str) -> None:
    assert describe_weights("i3d", weights) is None


def test_freezing() -> None:
    network = InceptionI3D(num_classes=2)
    freeze(network, torch.device("cpu"))
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    kernel = network.state_dict()["Mixed_3b.b1b.conv3d.weight"]
    assert kernel.is_contiguous(memory_format=torch.channels_last_3d)
