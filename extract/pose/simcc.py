"""Decodes the two classifications of SimCC heads for a whole batch at once.

SimCC (Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose
Estimation", ECCV 2022, https://arxiv.org/abs/2107.03332) scores every place along x and every
place along y; a keypoint lies at the two best places.
"""

from typing import Any

import torch
from jaxtyping import Float32


def decodes_plainly(head: Any, test_cfg: dict[str, Any]) -> bool:  # noqa: ANN401 - mmpose's head
    """Whether ``head.predict`` does what :func:`simcc_scores` and :func:`simcc_keypoints` do."""
    from mmpose.codecs import SimCCLabel  # noqa: PLC0415
    from mmpose.models.heads import RTMCCHead, RTMWHead, SimCCHead  # noqa: PLC0415

    if type(head) not in {RTMCCHead, RTMWHead, SimCCHead} or type(head.decoder) is not SimCCLabel:
        return False
    has_extras = head.decoder.use_dark or head.decoder.decode_visibility
    return not has_extras and test_cfg.get("output_keypoint_indices") is None


def simcc_scores(
    head: Any,  # noqa: ANN401 - mmpose's head
    features: Any,  # noqa: ANN401 - as the head reads them
    flip_indices: list[int],
) -> tuple[
    Float32[torch.Tensor, "frame keypoint _width"], Float32[torch.Tensor, "frame keypoint _height"]
]:
    """Scores of the places along x and along y, averaged over the pair of a flip test.

    ``features`` is a list of two for a flip test: those of the images and of the mirrored ones,
    in which the keypoints of left and right, ``flip_indices``, have changed places.
    """
    if not isinstance(features, list):
        return head(features)
    direct, mirrored = features
    x, y = head(direct)
    mirrored_x, mirrored_y = head(mirrored)
    return (
        (x + mirrored_x[:, flip_indices].flip(-1)) * 0.5,
        (y + mirrored_y[:, flip_indices]) * 0.5,
    )


def simcc_keypoints(
    x_scores: Float32[torch.Tensor, "frame keypoint _width"],
    y_scores: Float32[torch.Tensor, "frame keypoint _height"],
    split_ratio: float,
) -> Float32[torch.Tensor, "frame keypoint coordinate=3"]:
    """x, y in pixels of the network's input, and the lower one of the two best scores.

    There are ``split_ratio`` places a pixel. A point without a positive score is at -1 places,
    as in ``mmpose.codecs.utils.get_simcc_maximum``.
    """
    x_best, x_place = x_scores.max(dim=-1)
    y_best, y_place = y_scores.max(dim=-1)
    confidence = torch.minimum(x_best, y_best)
    places = torch.stack([x_place, y_place], dim=-1).float()
    places = places.masked_fill(confidence[..., None] <= 0, -1.0)
    return torch.cat([places / split_ratio, confidence[..., None]], dim=-1)
