"""A frozen network is in evaluation mode, without gradients, with channels last."""

import torch

from extract.rgb.i3d_network import InceptionI3D, freeze


def test_freezing() -> None:
    network = InceptionI3D(num_classes=2)
    freeze(network, torch.device("cpu"))
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    kernel = network.state_dict()["Mixed_3b.b1b.conv3d.weight"]
    assert kernel.is_contiguous(memory_format=torch.channels_last_3d)
