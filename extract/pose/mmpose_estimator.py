"""Keypoints of a batch of frames from an MMPose model, as MMPose itself finds them one by one."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from extract.pose.mmpose_model import MMPoseModel
from extract.pose.mmpose_warnings import known_warnings_silenced
from extract.pose.settings import Precision

_AUTOCAST_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


class MMPoseEstimator:
    """Runs a top-down whole-body model over batches of frames.

    Gives what ``mmpose.apis.inference_topdown`` gives for each frame and box: the crop, the
    normalisation, the decoding and the way back into the image are MMPose's own. The confidence
    is MMPose's ``keypoint_scores``.
    """

    def __init__(
        self, model: MMPoseModel, device: torch.device, precision: Precision = "float32"
    ) -> None:
        """Take a model on ``device``; ``precision`` is that of backbone and neck on a GPU."""
        from mmengine.dataset import Compose  # noqa: PLC0415
        from mmengine.registry import init_default_scope  # noqa: PLC0415

        init_default_scope("mmpose")
        self._network = model.network
        self._dataset_meta = model.dataset_meta
        self._transform = Compose(model.pipeline)
        self._device = device
        self._autocast_dtype = _AUTOCAST_DTYPES[precision]

    def start_video(self) -> None:
        """Nothing to forget: frames are independent."""

    @torch.inference_mode()
    def estimate(
        self,
        frames: UInt8[np.ndarray, "frame height width channel=3"],
        boxes: Float32[np.ndarray, "frame box=4"],
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        """Keypoints of the person in each box: x, y in pixels of the frame, confidence."""
        prepared = [self._prepared(*pair) for pair in zip(frames, boxes, strict=True)]
        samples = [item["data_samples"] for item in prepared]
        images = self._network_input([item["inputs"] for item in prepared])
        with known_warnings_silenced():
            features = self._features(images)
            people = self._network.head.predict(features, samples, self._network.test_cfg)
        results = self._network.add_pred_to_datasample(people, None, samples)
        return np.stack([_keypoints(result.pred_instances) for result in results])

    def _prepared(
        self,
        frame: UInt8[np.ndarray, "height width channel=3"],
        box: Float32[np.ndarray, " box=4"],
    ) -> Any:  # noqa: ANN401 - mmpose's packed inputs
        """One frame cropped to the network's size, and what leads back from there."""
        whole_score = np.ones(1, np.float32)
        return self._transform(
            {"img": frame, "bbox": box[None], "bbox_score": whole_score, **self._dataset_meta}
        )

    def _network_input(
        self, crops: list[UInt8[torch.Tensor, "channel=3 height width"]]
    ) -> Float[torch.Tensor, "frame channel=3 height width"]:
        """Normalised crops on the device."""
        pixels = torch.stack(crops)
        if self._device.type == "cuda":
            pixels = pixels.pin_memory().to(self._device, non_blocking=True)
        bgr = pixels.flip(1)  # MMPose's images are BGR; its preprocessor swaps what it needs.
        processed = self._network.data_preprocessor.forward({"inputs": bgr, "data_samples": []})
        return processed["inputs"]

    def _features(self, images: Float[torch.Tensor, "frame channel=3 height width"]) -> Any:  # noqa: ANN401
        """What the head reads, in float32; a pair with the mirrored images if asked for."""
        direct = self._extracted(images)
        if not self._network.test_cfg["flip_test"]:
            return direct
        return [direct, self._extracted(images.flip(-1))]

    def _extracted(
        self, images: Float[torch.Tensor, "frame channel=3 height width"]
    ) -> tuple[torch.Tensor, ...]:
        is_reduced = self._device.type == "cuda" and self._autocast_dtype != torch.float32
        with torch.autocast(self._device.type, self._autocast_dtype, enabled=is_reduced):
            features = self._network.extract_feat(images)
        return tuple(level.float() for level in features)


def _keypoints(person: Any) -> Float32[np.ndarray, "keypoint=133 coordinate=3"]:  # noqa: ANN401
    """x, y and confidence from mmpose's ``pred_instances`` of one person."""
    return np.concatenate(
        [person.keypoints[0, :, :2], person.keypoint_scores[0, :, None]], axis=1
    ).astype(np.float32)
