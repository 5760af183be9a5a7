"""Keypoints of a batch of frames from an MMPose model, as MMPose itself finds them one by one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from extract.pose.estimate import nobody
from extract.pose.fast_network import ready_for_inference
from extract.pose.frame_crop import CroppedFrame, PlainCrop, into_image
from extract.pose.mmpose_model import MMPoseModel
from extract.pose.mmpose_warnings import known_warnings_silenced
from extract.pose.settings import Precision
from extract.pose.simcc import decodes_plainly, simcc_keypoints, simcc_scores
from extract.run.pass_size import PassSize

_AUTOCAST_DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}

_LARGEST_CPU_BATCH = 8
"""Frames of a forward pass on a CPU: more are not faster, and only cost memory and padding."""


class MMPoseEstimator:
    """Runs a top-down whole-body model over batches of frames.

    Gives what ``mmpose.apis.inference_topdown`` gives for each frame and box, but for the last
    bits: the crop, the normalisation, the decoding and the way back into the image are MMPose's
    own, or, for its usual pipeline and SimCC heads, equal them. The confidence is MMPose's
    ``keypoint_scores``.
    """

    def __init__(
        self,
        model: MMPoseModel,
        device: torch.device,
        precision: Precision = "float32",
        *,
        batch_size: int = 32,
    ) -> None:
        """Take a model on ``device``; ``precision`` is that of backbone and neck on a GPU.

        ``batch_size`` is the number of frames of a forward pass, on a CPU the largest one.
        """
        from mmengine.dataset import Compose  # noqa: PLC0415
        from mmengine.registry import init_default_scope  # noqa: PLC0415

        init_default_scope("mmpose")
        self._network = ready_for_inference(model.network, device)
        self._dataset_meta = model.dataset_meta
        self._transform = Compose(model.pipeline)
        self._crop = None
        if decodes_plainly(self._network.head, self._network.test_cfg):
            self._crop = PlainCrop.of_pipeline(self._transform.transforms)
        self._device = device
        self._autocast_dtype = _AUTOCAST_DTYPES[precision]
        is_cpu = device.type == "cpu"
        self._memory_format = torch.channels_last if is_cpu else torch.contiguous_format
        self._at_once = PassSize(min(batch_size, _LARGEST_CPU_BATCH) if is_cpu else batch_size)

    def start_video(self) -> None:
        """Nothing to forget: frames are independent."""

    def estimate(
        self,
        frames: UInt8[np.ndarray, "frame height width channel=3"],
        boxes: Float32[np.ndarray, "frame box=4"],
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        """Keypoints of the person in each box: x, y in pixels of the frame, confidence."""
        return self.keypoints(self.prepared(frames, boxes))

    def prepared(
        self,
        frames: UInt8[np.ndarray, "frame height width channel=3"],
        boxes: Float32[np.ndarray, "frame box=4"],
    ) -> list[Any]:
        """Every frame cropped to the network's size, and what leads back from there.

        Keeps nothing of ``frames``, and may run in another thread than :meth:`keypoints`.
        """
        prepare = self._crop or self._prepared_by_mmpose
        return [prepare(*pair) for pair in zip(frames, boxes, strict=True)]

    @torch.inference_mode()
    def keypoints(
        self, prepared: Sequence[Any]
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        """Keypoints of prepared frames, which may come from several videos.

        Every forward pass sees the same number of frames, the last one repeated if need be, so
        that the same kernels compute a frame whatever its neighbours are: it gives the same bits.
        """
        found = self._at_once.run(prepared, self._keypoints_of_batch)
        return np.stack(found) if found else nobody(0)

    def _keypoints_of_batch(
        self, prepared: Sequence[Any]
    ) -> list[Float32[np.ndarray, "keypoint=133 coordinate=3"]]:
        padded = [*prepared, *[prepared[-1]] * (self._at_once.most - len(prepared))]
        if self._crop is None:
            found = self._keypoints_by_mmpose(padded)
        else:
            found = self._keypoints(padded, self._crop.input_size)
        return list(found[: len(prepared)])

    def _keypoints(
        self, crops: list[CroppedFrame], input_size: tuple[int, int]
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops]))
        images = self._network_input(pixels.permute(0, 3, 1, 2))
        head = self._network.head
        with known_warnings_silenced():
            features = self._features(images)
            scores = simcc_scores(head, features, self._dataset_meta.get("flip_indices", []))
        keypoints = simcc_keypoints(*scores, head.decoder.simcc_split_ratio).cpu().numpy()
        keypoints[..., :2] = into_image(keypoints[..., :2], crops, input_size)
        return keypoints

    def _keypoints_by_mmpose(
        self,
        prepared: list[Any],
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        samples = [item["data_samples"] for item in prepared]
        images = self._network_input(torch.stack([item["inputs"] for item in prepared]))
        with known_warnings_silenced():
            features = self._features(images)
            people = self._network.head.predict(features, samples, self._network.test_cfg)
        results = self._network.add_pred_to_datasample(people, None, samples)
        return np.stack([_keypoints(result.pred_instances) for result in results])

    def _prepared_by_mmpose(
        self,
        frame: UInt8[np.ndarray, "height width channel=3"],
        box: Float32[np.ndarray, " box=4"],
    ) -> Any:  # noqa: ANN401 - mmpose's packed inputs
        whole_score = np.ones(1, np.float32)
        return self._transform(
            {"img": frame, "bbox": box[None], "bbox_score": whole_score, **self._dataset_meta}
        )

    def _network_input(
        self, pixels: UInt8[torch.Tensor, "frame channel=3 height width"]
    ) -> Float[torch.Tensor, "frame channel=3 height width"]:
        """Normalised crops on the device."""
        if self._device.type == "cuda":
            pixels = pixels.pin_memory().to(self._device, non_blocking=True)
        bgr = pixels.flip(1)  # MMPose's images are BGR; its preprocessor swaps what it needs.
        processed = self._network.data_preprocessor.forward({"inputs": bgr, "data_samples": []})
        return processed["inputs"].contiguous(memory_format=self._memory_format)

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
        return tuple(level.float().contiguous() for level in features)


def _keypoints(person: Any) -> Float32[np.ndarray, "keypoint=133 coordinate=3"]:  # noqa: ANN401
    """x, y and confidence from mmpose's ``pred_instances`` of one person."""
    return np.concatenate(
        [person.keypoints[0, :, :2], person.keypoint_scores[0, :, None]], axis=1
    ).astype(np.float32)
