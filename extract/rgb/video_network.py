"""What every video network of this package offers, and the form in which it is run."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class VideoNetwork(nn.Module, ABC):
    """A network that turns clips into one feature vector each, and features into class scores."""

    @abstractmethod
    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb"]:
        """The vectors that the network's own classifier reads."""

    def window_features(
        self,
        frames: Float[Tensor, "channel=3 frame height width"],
        starts: Sequence[int],
        clip_length: int,
    ) -> Float[Tensor, "clip rgb"]:
        """``features`` of each clip ``frames[:, start : start + clip_length]``.

        ``starts`` ascend, and every clip lies inside the frames. A network that can shares what
        overlapping clips have in common; this is the plain way.
        """
        clips = [frames[:, start : start + clip_length] for start in starts]
        return self.features(torch.stack(clips).contiguous(memory_format=torch.channels_last_3d))

    @abstractmethod
    def class_logits(self, features: Float[Tensor, "clip rgb"]) -> Float[Tensor, "clip klass"]:
        """Unnormalised class scores."""


def freeze(network: VideoNetwork, device: torch.device) -> None:
    """Puts a network into evaluation mode on its device, without gradients.

    Channels come last in memory: Inception I3D is then 1.5 times as fast on a CPU.
    """
    network.eval().requires_grad_(requires_grad=False)
    network.to(device=device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
