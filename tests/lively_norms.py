"""Random weights under which a keypoint model answers to its image."""

import torch


def enliven_norms(network: torch.nn.Module) -> None:
    """Give every batch norm statistics and weights that do something, as training does.

    With those of a new network the features are so small that most keypoints never move.
    """
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.1, generator=generator)
            module.running_var.uniform_(0.3, 0.6, generator=generator)
            module.weight.data.uniform_(0.8, 1.2, generator=generator)
            module.bias.data.normal_(std=0.1, generator=generator)
