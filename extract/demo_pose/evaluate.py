"""Measures a weights file on held-out drawn signers, through MMPose's own inference call."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from extract.demo_pose.keypoint_error import median_errors
from extract.demo_pose.model_config import demo_pose_config
from extract.demo_pose.training_config import HELD_OUT_FIRST_SEED
from extract.pose.mmpose_model import import_mmpose, known_warnings_silenced

if TYPE_CHECKING:
    from extract.demo_pose.synthetic_dataset import SyntheticSignerDataset


def held_out_errors(weights: Path, num_frames: int) -> dict[str, float]:
    """Median distance from the truth over visible points, in percent of the signer's height.

    Keys: all, body, face, hands. The signer's height is the extent of the person in the picture,
    from the top of the head to the lowest drawn point inside it. Every frame has the whole
    picture as the person's box; two frames in a row share a signer.
    """
    import_mmpose()
    from mmpose.apis import init_model  # noqa: PLC0415 - after the imports above

    from extract.demo_pose.synthetic_dataset import SyntheticSignerDataset  # noqa: PLC0415

    with known_warnings_silenced():
        model = init_model(demo_pose_config(), str(weights), device="cpu")
        samples = SyntheticSignerDataset(HELD_OUT_FIRST_SEED, num_frames, pipeline=[])
        frames = [_frame_error(model, samples, number) for number in range(num_frames)]
    errors, is_visible = (np.stack(values) for values in zip(*frames, strict=True))
    return median_errors(errors, is_visible)


def _frame_error(
    model: Any,  # noqa: ANN401 - MMPose has no types
    samples: "SyntheticSignerDataset",
    number: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Error of every keypoint in percent, and which of them are visible."""
    from mmpose.apis import inference_topdown  # noqa: PLC0415 - see held_out_errors

    sample = samples.raw_sample(number)
    (result,) = inference_topdown(model, sample["img"])
    predicted = np.asarray(result.pred_instances.keypoints[0], dtype=np.float64)
    distance = np.linalg.norm(predicted - sample["keypoints"][0], axis=-1)
    return 100 * distance / sample["signer_height"], sample["keypoints_visible"][0] > 0
