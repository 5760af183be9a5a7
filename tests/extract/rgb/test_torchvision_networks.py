"""Taking torchvision's networks apart changes nothing that they compute."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torchvision.models.video import MViT, s3d
from torchvision.models.video.mvit import MSBlockConfig

from extract.rgb.backbones import KINETICS_CLASS_NAMES, MViTNetwork, S3DNetwork
from extract.rgb.i3d_network import VideoNetwork


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
        network = wrap(published)
        features = network.features(clips)
        logits = network.class_logits(features)
    assert features.shape == (1, feature_dim)
    assert expected.std() > 0
    torch.testing.assert_close(logits, expected)


def test_class_names_are_the_400_in_alphabetical_order() -> None:
    assert len(set(KINETICS_CLASS_NAMES)) == 400
    assert "sign language interpreting" in KINETICS_CLASS_NAMES
    assert [name[0].lower() for name in KINETICS_CLASS_NAMES] == sorted(
        name[0].lower() for name in KINETICS_CLASS_NAMES
    )
