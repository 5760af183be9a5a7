"""A network of MMPose made ready for inference: the same function with less work for it.

A batch norm that follows a convolution is a scale and a shift, which the convolution's own weights
take over. On a CPU the images' channels lie side by side, oneDNN keeps the weights in the order in
which it reads them, and applies the activation before it writes a result. The last bits change.
"""

import copy
from typing import Any

import torch
from jaxtyping import Float32

_ACTIVATIONS = {torch.nn.SiLU: "swish", torch.nn.ReLU: "relu"}
"""torch's module -> oneDNN's name."""


def ready_for_inference(network: torch.nn.Module, device: torch.device) -> Any:  # noqa: ANN401
    """A copy of mmpose's pose estimator ``network``, which lies on ``device``.

    The head keeps its memory layout: its features must be contiguous.
    """
    from mmcv.cnn import fuse_conv_bn  # noqa: PLC0415

    fast: Any = copy.deepcopy(network).eval()
    fuse_conv_bn(fast)
    if device.type != "cpu":
        return fast
    for part in [fast.backbone, *([fast.neck] if fast.with_neck else [])]:
        part.to(memory_format=torch.channels_last)
        if can_pack():
            _replace_blocks(part)
    return fast


def can_pack() -> bool:
    """Whether this torch reaches oneDNN as :class:`PackedConvolution` does, by private operations.

    Tried out, as another version of torch may have others.
    """
    from mmcv.cnn import ConvModule  # noqa: PLC0415

    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        PackedConvolution(ConvModule(1, 1, 1))(torch.zeros(1, 1, 1, 1))
    except (AttributeError, TypeError, RuntimeError):
        return False
    return True


def _replace_blocks(parent: torch.nn.Module) -> None:
    """Put a :class:`PackedConvolution` in the place of every block that can be one."""
    for name, child in parent.named_children():
        if PackedConvolution.can_replace(child):
            setattr(parent, name, PackedConvolution(child))
        else:
            _replace_blocks(child)


class PackedConvolution(torch.nn.Module):
    """A convolution and its activation as one oneDNN operation, for inference on a CPU."""

    @staticmethod
    def can_replace(block: torch.nn.Module) -> bool:
        """Whether it is mmcv's block of a plain convolution, no norm and a known activation."""
        from mmcv.cnn import ConvModule  # noqa: PLC0415

        if type(block) is not ConvModule or type(block.conv) is not torch.nn.Conv2d:
            return False
        is_plain = (
            block.order == ("conv", "norm", "act")
            and not block.with_explicit_padding
            and not block.with_spectral_norm
            and block.conv.padding_mode == "zeros"
            and block.conv.weight.dtype == torch.float32
        )
        has_no_norm = block.norm is None or isinstance(block.norm, torch.nn.Identity)
        is_known = not block.with_activation or type(block.activate) in _ACTIVATIONS
        return is_plain and has_no_norm and is_known

    def __init__(self, block: Any) -> None:  # noqa: ANN401 - mmcv's ConvModule
        """Take over the weights of ``block``."""
        super().__init__()
        convolution = block.conv
        self._activation = _ACTIVATIONS[type(block.activate)] if block.with_activation else "none"
        self._geometry = (
            convolution.padding,
            convolution.stride,
            convolution.dilation,
            convolution.groups,
        )
        self._weight = convolution.weight.detach()
        self._bias = convolution.bias.detach() if convolution.bias is not None else None

    def forward(
        self, images: Float32[torch.Tensor, "frame _ _ _"]
    ) -> Float32[torch.Tensor, "frame _ _ _"]:
        """The block's result; the first images decide in which order the weights are kept."""
        if not self._weight.is_mkldnn:
            self._weight = torch._C._nn.mkldnn_reorder_conv2d_weight(  # type: ignore[call-arg]
                self._weight.to_mkldnn(), *self._geometry, images.shape
            )
        return torch.ops.mkldnn._convolution_pointwise(
            images, self._weight, self._bias, *self._geometry, self._activation, [], ""
        )
