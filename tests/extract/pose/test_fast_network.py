"""A network made ready for inference computes the same function."""

from typing import Any

import pytest
import torch
from lively_norms import enliven_norms

from extract.pose.fast_network import PackedConvolution, can_pack, ready_for_inference
from extract.pose.mmpose_model import import_mmpose, known_warnings_silenced, load_mmpose_model
from extract.pose.provenance import find_model

pytestmark = pytest.mark.mmpose

CPU = torch.device("cpu")


def block(**settings: Any) -> Any:
    """mmcv's block of convolution and activation."""
    import_mmpose()
    from mmcv.cnn import ConvModule

    torch.manual_seed(0)
    return ConvModule(6, 4, **{"kernel_size": 3, **settings}).eval()


@pytest.mark.parametrize(
    "settings",
    [
        {"act_cfg": {"type": "SiLU"}, "padding": 1},
        {"act_cfg": {"type": "ReLU"}, "stride": 2},
        {"act_cfg": None, "kernel_size": 1, "bias": False},
        {"act_cfg": {"type": "SiLU"}, "groups": 2, "padding": (2, 0), "dilation": 2},
    ],
)
def test_a_packed_convolution_equals_the_block(settings: dict[str, Any]) -> None:
    plain = block(**settings)
    assert PackedConvolution.can_replace(plain)
    packed = PackedConvolution(plain)
    with torch.inference_mode():
        for num_frames in (2, 1):  # The second time the weights lie in order.
            images = torch.randn(num_frames, 6, 9, 8).to(memory_format=torch.channels_last)
            torch.testing.assert_close(packed(images), plain(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"norm_cfg": {"type": "BN"}},  # Not folded yet.
        {"act_cfg": {"type": "GELU"}},
        {"order": ("act", "conv", "norm")},
        {"padding": 1, "padding_mode": "reflect"},
        {"padding": 1, "conv_cfg": {"type": "Conv2d", "padding_mode": "circular"}},
        {"with_spectral_norm": True},
        {"conv_cfg": {"type": "Conv2dAdaptivePadding"}},
    ],
)
def test_other_blocks_are_left_alone(settings: dict[str, Any]) -> None:
    assert not PackedConvolution.can_replace(block(**settings))
    assert not PackedConvolution.can_replace(torch.nn.Conv2d(6, 4, 3))


@pytest.mark.parametrize("error", [AttributeError, RuntimeError])
def test_a_torch_without_these_operations_runs_the_plain_ones(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    import_mmpose()
    assert can_pack()

    def missing(*_: Any) -> None:
        raise error("another version")

    monkeypatch.setattr(PackedConvolution, "forward", missing)
    assert not can_pack()


@pytest.mark.parametrize("name", ["demo", "rtmw-m", "hrnet-w32"])
def test_the_network_computes_the_same(name: str) -> None:
    model = load_mmpose_model(find_model(name, "random"), CPU, flip_test=False)
    network = model.network
    enliven_norms(network)
    fast = ready_for_inference(network, CPU)
    images = torch.randn(1, 3, 256, 192)
    with torch.inference_mode(), known_warnings_silenced():
        expected = network.extract_feat(images)
        found = fast.extract_feat(images.to(memory_format=torch.channels_last))
        for level, slow_level in zip(found, expected, strict=True):
            size = slow_level.abs().max()
            assert (level - slow_level).abs().max() < 1e-4 * size
        head, slow_head = fast.head([level.contiguous() for level in found]), network.head(expected)
    for scores, slow_scores in zip(head, slow_head, strict=True):
        assert (scores - slow_scores).abs().max() < 1e-4 * slow_scores.abs().max()
    left = [m for m in fast.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    assert left == []
