"""The pose encoder: keypoints of clips become one vector a clip."""

from contextlib import nullcontext

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from train.batches import PoseBatch, tensors_of
from train.model.clip_block import clip_means
from train.model.graph_convolution import BODY, HAND, GraphBlock, Skeleton
from train.model.normalisation import Dropout, frozen_statistics
from train.model.temporal_block import TemporalBlock
from train.settings import PoseEncoderSettings

DATA_NORM_EPSILON = 0.1
"""The published code passes its momentum as epsilon, and published weights are trained so."""


def largest_of_parts(
    features: Float[Tensor, "row joint dim"], joints: Int64[Tensor, " _joint"], sizes: list[int]
) -> Float[Tensor, "row part dim"]:
    """Takes the largest value among each part's points, channel by channel. Equation 3.

    ``joints`` are the first part's points, then the second's, ..., and ``sizes`` how many each has.
    """
    parts = torch.split(features.index_select(1, joints), sizes, dim=1)
    return torch.stack([part.amax(dim=1) for part in parts], dim=1)


def with_bones(
    points: Float[Tensor, "video frame joint coordinate=2"], parents: Int64[Tensor, " joint"]
) -> Float[Tensor, "video frame joint channel=4"]:
    """Adds to each point the direction in which it lies from its parent, of length 1.

    (0, 0) for the centre, which is its own parent, and where one of the two is not seen. Bones
    beside points are those of Shi et al. (CVPR 2019, arXiv 1805.07694), who keep their lengths.
    """
    origins = points[:, :, parents]
    are_seen = (points != 0).any(dim=-1, keepdim=True) & (origins != 0).any(dim=-1, keepdim=True)
    directions = normalize(points - origins, dim=-1)
    return torch.cat([points, torch.where(are_seen, directions, 0)], dim=-1)


class SkeletonEncoder(nn.Module):
    """What joins a frame's points, then temporal blocks over frames.

    As published, graph blocks over points and then over parts. With ``points: linear`` there is a
    single layer in their place, with a weight for each point, which a few takes teach more
    (docs/real-signs.md).
    """

    joints_of_parts: Tensor
    parents: Tensor

    def __init__(self, skeleton: Skeleton, settings: PoseEncoderSettings) -> None:
        super().__init__()
        width, dropout = settings.width, settings.dropout
        points, parts = skeleton.points, skeleton.part_graph
        joints = torch.from_numpy(np.concatenate(skeleton.parts))
        self.register_buffer("joints_of_parts", joints, persistent=False)
        self.sizes_of_parts = [len(part) for part in skeleton.parts]
        parents = [
            child if parent is None else parent for child, parent in enumerate(points.parents)
        ]
        self.register_buffer("parents", torch.tensor(parents), persistent=False)
        self.has_bones = settings.bones
        channels = 4 if settings.bones else 2
        self.data_norm = nn.BatchNorm1d(channels * len(parents), eps=DATA_NORM_EPSILON)
        self.is_graph = settings.points == "graph"
        if self.is_graph:
            self.point_blocks = nn.Sequential(
                GraphBlock(channels, width // 4, points, dropout, is_residual=False),
                GraphBlock(width // 4, width // 4, points, dropout),
                GraphBlock(width // 4, width // 2, points, dropout),
            )
            self.part_blocks = nn.Sequential(
                GraphBlock(width // 2, width, parts, dropout),
                GraphBlock(width, width, parts, dropout),
            )
        self.head = nn.Linear(width if self.is_graph else channels * len(parents), width)
        self.head_norm = nn.BatchNorm1d(width)
        self.head_dropout = Dropout(settings.head_dropout)
        self.temporal_blocks = nn.Sequential(TemporalBlock(width), TemporalBlock(width))

    def forward(
        self, points: Float[Tensor, "video frame joint coordinate=2"]
    ) -> Float[Tensor, "video frame dim"]:
        """Returns one vector a frame, which depends on the 4 frames to each side."""
        num_videos, num_frames = points.shape[:2]
        if self.has_bones:
            points = with_bones(points, self.parents)
        # Every frame of every video is a row of its own, up to the temporal blocks.
        flat = self.data_norm(rearrange(points, "b t v c -> (b t) (v c)"))
        features = self._along_skeleton(flat) if self.is_graph else flat
        features = self.head_dropout(self.head_norm(self.head(features))).relu_()
        over_time = rearrange(features, "(b t) c -> b c t", b=num_videos, t=num_frames)
        return rearrange(self.temporal_blocks(over_time), "b c t -> b t c")

    def _along_skeleton(self, flat: Float[Tensor, "row _"]) -> Float[Tensor, "row dim"]:
        features = self.point_blocks(rearrange(flat, "n (v c) -> n v c", v=len(self.parents)))
        parts = largest_of_parts(features, self.joints_of_parts, self.sizes_of_parts)
        return self.part_blocks(parts).amax(dim=1)


class PoseEncoder(nn.Module):
    """Hands and body, frame by frame, then clip by clip. Both hands share one network.

    SEDS (arXiv 2407.16394), pose encoder.
    """

    def __init__(self, settings: PoseEncoderSettings, clip_length: int) -> None:
        super().__init__()
        self.clip_length = clip_length
        self.dim = 3 * settings.width
        self.hand = SkeletonEncoder(HAND, settings)
        self.body = SkeletonEncoder(BODY, settings)
        self.clip_block = TemporalBlock(self.dim)
        self.gradient_checkpointing = False

    def frame_features(self, pose: PoseBatch) -> Float[Tensor, "video frame dim"]:
        """Returns left hand, right hand and body of each frame, side by side."""
        # In training each hand has its own batch statistics, as published.
        if self.training:
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
            # Torch keeps the random state of the GPUs whose tensors are arguments, but does not
            # look for tensors in dataclasses. The second pass must not move batch statistics.
            return checkpoint(
                self._forward,
                *tensors_of(pose),
                use_reentrant=False,
                context_fn=lambda: (nullcontext(), frozen_statistics(self)),
            )
        return self._forward(*tensors_of(pose))

    def _forward(self, *parts: Tensor) -> Float[Tensor, "video clip dim"]:
        pose = PoseBatch(*parts)
        return self.clip_features(self.frame_features(pose), pose.clip_starts)
