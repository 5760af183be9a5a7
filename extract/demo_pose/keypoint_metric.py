"""The keypoint error as MMEngine measures it while a model trains."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from mmengine.evaluator import BaseMetric
from mmpose.registry import METRICS

from extract.demo_pose.keypoint_error import PARTS, median_errors

_FrameErrors = tuple[Float64[np.ndarray, " keypoint=133"], Bool[np.ndarray, " keypoint=133"]]


@METRICS.register_module()
class KeypointErrorMetric(BaseMetric):  # type: ignore[misc] # mmengine has no types
    """Median errors per part, and the share of hand points within 2.5 % (``hands_within``).

    The signer's height is the extent of the person in the picture, from the top of the head to the
    lowest drawn point inside it.
    """

    default_prefix = "error"
    _HANDS_WITHIN = 2.5

    def process(self, _data_batch: object, data_samples: Sequence[dict[str, Any]]) -> None:
        """Collects the error of every keypoint of a batch."""
        for sample in data_samples:
            predicted = np.asarray(sample["pred_instances"]["keypoints"][0], dtype=np.float64)
            truth = np.asarray(sample["gt_instances"]["keypoints"][0], dtype=np.float64)
            is_visible = np.asarray(sample["gt_instances"]["keypoints_visible"][0]) > 0
            distance = np.linalg.norm(predicted - truth, axis=-1)
            self.results.append((100 * distance / sample["signer_height"], is_visible))

    def compute_metrics(self, results: list[_FrameErrors]) -> dict[str, float]:
        """Medians over all collected frames."""
        errors = np.stack([error for error, _ in results])
        is_visible = np.stack([visible for _, visible in results])
        hands = np.concatenate([errors[:, p][is_visible[:, p]] for p in PARTS["hands"]])
        return {
            **median_errors(errors, is_visible),
            "hands_within": float(np.mean(hands < self._HANDS_WITHIN)),
        }
