"""Keypoints of whole videos become one feature vector a clip."""

from contextlib import nullcontext

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from train.batches import PoseBatch
from train.model.clip_block import clip_means
from train.model.running_statistics import still_statistics
from train.model.skeleton_encoder import SkeletonEncoder
from train.model.skeleton_graphs import BODY, HAND
from train.model.temporal_block import TemporalBlock
from train.model_settings import PoseEncoderSettings
from train.tensor_tree import tensors_of


class PoseEncoder(nn.Module):
    """Hands and body, frame by frame, then clip by clip. SEDS (arXiv 2407.16394), pose encoder."""

    def __init__(self, settings: PoseEncoderSettings, clip_length: int) -> None:
        """Both hands share one network."""
        super().__init__()
        self.clip_length = clip_length
        self.dim = 3 * settings.width
        self.hand = SkeletonEncoder(HAND, settings)
        self.body = SkeletonEncoder(BODY, settings)
        self.clip_block = TemporalBlock(self.dim)
        self.gradient_checkpointing = False

    def frame_features(self, pose: PoseBatch) -> Float[Tensor, "video frame dim"]:
        """Left hand, right hand and body of each frame, side by side."""
        if self.training:  # Each hand has its own batch statistics, as published.
            right, left = self.hand(pose.right), self.hand(pose.left)
        else:
            right, left = self.hand(torch.cat([pose.right, pose.left])).chunk(2)
        return torch.cat([left, right, self.body(pose.body)], dim=-1)

    def clip_features(
        self,
        frames: Float[Tensor, "video frame dim"],
        clip_starts: Int64[Tensor, "video clip"],
    ) -> Float[Tensor, "video clip dim"]:
        """The mean over each clip's frames after one more temporal block inside the clip.

        Slots without a clip hold the block's answer to zeros, and in training count in its batch
        statistics, as published. Equation 5.
        """
        return clip_means(self.clip_block, frames, clip_starts, self.clip_length)

    def forward(self, pose: PoseBatch) -> Float[Tensor, "video clip dim"]:
        """One vector a clip slot."""
        if self.gradient_checkpointing and self.training:
            # Torch keeps the random state of the GPUs whose tensors it finds among the arguments,
            # and looks into no dataclass.
            return checkpoint(
                self._forward,
                *tensors_of(pose),
                use_reentrant=False,
                context_fn=lambda: (nullcontext(), still_statistics(self)),
            )
        return self._forward(*tensors_of(pose))

    def _forward(self, *parts: Tensor) -> Float[Tensor, "video clip dim"]:
        pose = PoseBatch(*parts)
        return self.clip_features(self.frame_features(pose), pose.clip_starts)
