"""Torchvision's S3D and MViT v2 as networks of this package.

Xie et al., Rethinking Spatiotemporal Feature Learning, ECCV 2018 (arXiv 1712.04851);
Li et al., MViTv2, CVPR 2022 (arXiv 2112.01526).
"""

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.video import S3D, MViT, S3D_Weights

from extract.rgb.video_network import VideoNetwork

KINETICS_CLASS_NAMES: tuple[str, ...] = tuple(S3D_Weights.KINETICS400_V1.meta["categories"])
"""The 400 classes of Kinetics-400, in the alphabetical order that all its networks use."""


class S3DNetwork(VideoNetwork):
    """S3D; the vectors are the average pool of its last block, 1024 numbers."""

    def __init__(self, published: S3D) -> None:
        """Take the parts of torchvision's network."""
        super().__init__()
        self.trunk = nn.Sequential(published.features, published.avgpool)
        self.classifier = published.classifier

    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb"]:
        """The pooled last block, averaged over the positions that the pooling leaves."""
        return self.trunk(clips).mean(dim=(2, 3, 4))

    def class_logits(self, features: Float[Tensor, "clip rgb"]) -> Float[Tensor, "clip klass"]:
        """Torchvision averages the classifier over positions; being linear, it is the same."""
        return self.classifier(features[:, :, None, None, None]).flatten(1)


class MViTNetwork(VideoNetwork):
    """MViT v2 small; the vectors are its class token after the last norm, 768 numbers."""

    def __init__(self, published: MViT) -> None:
        """Take torchvision's network apart into trunk and head."""
        super().__init__()
        self.head = published.head
        self.trunk = published
        self.trunk.head = nn.Identity()

    def features(
        self, clips: Float[Tensor, "clip channel=3 frame height width"]
    ) -> Float[Tensor, "clip rgb"]:
        """The class token."""
        return self.trunk(clips)

    def class_logits(self, features: Float[Tensor, "clip rgb"]) -> Float[Tensor, "clip klass"]:
        """Torchvision's classifier on the class token."""
        return self.head(features)
