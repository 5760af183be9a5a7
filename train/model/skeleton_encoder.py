"""A skeleton's points in each frame become one feature vector a frame."""

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

from train.model.dropout import Dropout
from train.model.graph_block import GraphBlock
from train.model.skeleton_graphs import Skeleton
from train.model.temporal_block import TemporalBlock
from train.model_settings import PoseEncoderSettings

DATA_NORM_EPSILON = 0.1
"""The published code passes its momentum in epsilon's place; published weights have learned it."""


def largest_of_parts(
    features: Float[Tensor, "row joint dim"], joints: Int64[Tensor, " _joint"], sizes: list[int]
) -> Float[Tensor, "row part dim"]:
    """The largest value among each part's points, channel by channel. Equation 3.

    ``joints`` are the first part's points, then the second's, ..., and ``sizes`` how many each has.
    """
    parts = torch.split(features.index_select(1, joints), sizes, dim=1)
    return torch.stack([part.amax(dim=1) for part in parts], dim=1)


class SkeletonEncoder(nn.Module):
    """Graph blocks over points, then over parts, then temporal blocks over frames."""

    joints_of_parts: Tensor

    def __init__(self, skeleton: Skeleton, settings: PoseEncoderSettings) -> None:
        """The published sizes are a width of 512."""
        super().__init__()
        width, dropout = settings.width, settings.dropout
        points, parts = skeleton.points, skeleton.part_graph
        joints = torch.from_numpy(np.concatenate(skeleton.parts))
        self.register_buffer("joints_of_parts", joints, persistent=False)
        self.sizes_of_parts = [len(part) for part in skeleton.parts]
        self.data_norm = nn.BatchNorm1d(2 * len(points.parents), eps=DATA_NORM_EPSILON)
        self.point_blocks = nn.Sequential(
            GraphBlock(2, width // 4, points, dropout, has_shortcut=False),
            GraphBlock(width // 4, width // 4, points, dropout),
            GraphBlock(width // 4, width // 2, points, dropout),
        )
        self.part_blocks = nn.Sequential(
            GraphBlock(width // 2, width, parts, dropout),
            GraphBlock(width, width, parts, dropout),
        )
        self.head = nn.Linear(width, width)
        self.head_norm = nn.BatchNorm1d(width)
        self.head_dropout = Dropout(settings.head_dropout)
        self.temporal_blocks = nn.Sequential(TemporalBlock(width), TemporalBlock(width))

    def forward(
        self, points: Float[Tensor, "video frame joint coordinate=2"]
    ) -> Float[Tensor, "video frame dim"]:
        """One vector a frame. Frames within 4 of a frame see it, and the tensor's ends."""
        num_videos, num_frames = points.shape[:2]
        flat = self.data_norm(rearrange(points, "b t v c -> (b t) (v c)"))
        features = self.point_blocks(rearrange(flat, "n (v c) -> n v c", c=2))
        parts = largest_of_parts(features, self.joints_of_parts, self.sizes_of_parts)
        features = self.part_blocks(parts).amax(dim=1)
        features = self.head_dropout(self.head_norm(self.head(features))).relu_()
        over_time = rearrange(features, "(b t) c -> b c t", b=num_videos, t=num_frames)
        return rearrange(self.temporal_blocks(over_time), "b c t -> b t c")
